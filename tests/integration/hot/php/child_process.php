<?php
$child = proc_open([PHP_BINARY, "-r", 'var_dump($argv, getcwd()); exit(7);'], [1 => ["pipe", "w"]], $pipes);
echo stream_get_contents($pipes[1]), proc_close($child), "\n";
passthru('echo $PPID $0; env | sort', $status);
var_dump($status, shell_exec("exit 3"));
