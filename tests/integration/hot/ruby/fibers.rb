f = Fiber.new { |x| 3.times { |i| x = Fiber.yield(x + i) }; :done }
p 4.times.map { |i| f.resume(i) }, Enumerator.new { |y| y << 1 << 2 }.next, f.alive?
e = [1, 2].each
p e.next, e.next, (e.next rescue $!.message)
