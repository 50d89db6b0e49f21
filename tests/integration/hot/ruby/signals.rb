puts File.readlines("/proc/self/status").grep(/^(Sig|Shd|Cap|NoNewPrivs|Seccomp:|Threads|TracerPid|Name|NSpid)/)
%w[USR1 HUP WINCH].each { |name| trap(name) { puts "got #{name}" }; Process.kill(name, $$) }
sleep 0.1
p trap("CHLD", "DEFAULT"), trap("INT", "IGNORE")
