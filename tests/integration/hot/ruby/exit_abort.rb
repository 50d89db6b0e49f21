print "no line end"
abort "told on the way out"
