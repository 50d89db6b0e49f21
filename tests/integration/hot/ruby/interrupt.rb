trap("TERM") { puts "caught"; exit 7 }
Process.kill("TERM", $$)
sleep 5
