100.times { |i| puts "out #{i}"; $stderr.puts "err #{i}"; warn "warn #{i}"; STDOUT.write_nonblock("raw #{i}\n") }
