p ARGV, $0, $PROGRAM_NAME, __FILE__, __dir__, __method__.inspect, DATA.read
puts File.read("/proc/self/cmdline").tr("\0", " "), File.read("/proc/self/comm"), File.readlink("/proc/self/exe")
__END__
what stands behind it
