p $$, Process.ppid, Process.getsid, Process.getpgid(0), Process.uid, Process.euid, Process.groups, File.umask, Process.getpriority(Process::PRIO_PROCESS, 0), Thread.list.size, Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) < 10
require "etc"
p Etc.getlogin, Etc.getpwuid, Etc.nprocessors > 0
