q = Queue.new
workers = 4.times.map { |i| Thread.new { q << i * i } }
workers.each(&:join)
p 4.times.map { q.pop }.sort, Thread.main == Thread.current, Mutex.new.synchronize { 1 }, Thread.current.inspect.sub(/0x\h+/, "")
Thread.new { sleep 60; puts "late" }
