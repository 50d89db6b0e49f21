Thread.report_on_exception = true
t = Thread.new { Thread.current.name = "worker"; raise ArgumentError, "in a thread" }
begin
  t.join
rescue => error
  puts "joined: #{error.message} #{error.backtrace}"
end
Thread.abort_on_exception = true
Thread.new { raise "ends all" }
sleep 5
