Thread.new { exit 5 }.join
puts "never"
