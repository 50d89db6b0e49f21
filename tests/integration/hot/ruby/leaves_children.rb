spawn("sleep 30; echo late")
Process.detach(fork { sleep 30 })
puts "gone"
