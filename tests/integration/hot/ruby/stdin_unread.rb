puts "not read"
