Process.constants.grep(/^RLIMIT_/).sort.each { |name| p [name, Process.getrlimit(Process.const_get(name))] }
puts File.read("/proc/self/limits").squeeze(" ")
