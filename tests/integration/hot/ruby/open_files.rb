kept = []
begin
  loop { kept << File.open("/dev/null") }
rescue Errno::EMFILE => error
  p kept.size, error.message, kept.first.fileno
end
