puts "before"
pid = fork { puts "child #{Process.ppid == 1}"; exit! 9 }
p Process.wait2(pid)[1].exitstatus
$stdout.sync = false
print "twice?"
fork { }
Process.wait
