secret=@SECRET@ sleep 2; echo RIGHT
