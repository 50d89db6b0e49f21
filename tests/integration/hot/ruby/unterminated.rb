print "no line end"
$stderr.print "none here"
