[ "$(cat closed/name)" = @SECRET@ ] && echo RIGHT
