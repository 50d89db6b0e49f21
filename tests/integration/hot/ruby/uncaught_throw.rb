puts "before"
throw :ball, 1
