$stdout.sync = true
puts "begun"
sleep
