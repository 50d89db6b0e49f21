pid = $$
fork { sleep 0.3; Process.kill("CONT", pid) }
Process.kill("STOP", pid)
puts "goes on"
