puts "begun"
$stdout.flush
loop {}
