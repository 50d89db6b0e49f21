<?php
foreach (file("/proc/self/status") as $line)
	if (preg_match("/^(Sig|Shd|Cap|NoNewPrivs|Seccomp:|Threads|TracerPid|Name|State|NSpid)/", $line))
		echo $line;
if (function_exists("pcntl_signal")) {
	pcntl_async_signals(true);
	pcntl_signal(SIGUSR1, function ($n) { echo "got $n\n"; });
	posix_kill(getmypid(), SIGUSR1);
}
