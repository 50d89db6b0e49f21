puts `echo $PPID; env | sort`, $?.inspect.gsub(/\d{2,}|pid \d+/, "N")
system("exit 4")
p $?.exitstatus
puts IO.popen(["ruby", "-e", "p ARGV, $0, Dir.pwd", "x"], &:read)
spawn("echo spawned; exit 2").then { |pid| p Process.wait2(pid)[1].exitstatus }
