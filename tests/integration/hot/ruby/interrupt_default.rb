puts "before"
Process.kill("INT", $$)
sleep 5
