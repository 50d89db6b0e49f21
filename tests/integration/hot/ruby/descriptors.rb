Dir.children("/proc/self/fd").map(&:to_i).sort.each do |fd|
  puts "#{fd} #{File.readlink("/proc/self/fd/#{fd}").gsub(/\d+/, "N")}"
rescue Errno::ENOENT
  puts "#{fd} closed"
end
