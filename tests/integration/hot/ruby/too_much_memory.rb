$stdout.sync = true
puts "begun"
hoard = []
loop { hoard << "x" * (1 << 20) }
