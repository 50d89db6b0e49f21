[STDIN, STDOUT, STDERR].each { |io| p [io.inspect, io.fileno, io.sync, io.tty?, io.close_on_exec?, io.stat.ftype] }
p $stdin.equal?(STDIN), $>.equal?($stdout), STDIN.lineno
