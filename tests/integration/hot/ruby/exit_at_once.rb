at_exit { puts "never" }
print "lost or not"
exit! 42
