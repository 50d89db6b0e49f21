<?php
foreach (scandir("/proc/self/fd") as $fd)
	if (is_numeric($fd))
		echo $fd, " ", preg_replace("/[0-9]+/", "N", @readlink("/proc/self/fd/$fd")), "\n";
var_dump(STDIN, STDOUT, STDERR, get_resources());
