def deeper(n) = deeper(n + 1) + 1
begin
  deeper(0)
rescue SystemStackError => error
  puts error.message, error.backtrace.size > 1000
end
deeper(0)
