[ "$(cat private)" = @SECRET@ ] && [ "$(cat closed/private)" = @SECRET@ ] && echo RIGHT
