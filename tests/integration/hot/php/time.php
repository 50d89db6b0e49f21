<?php
var_dump(abs(time() - microtime(true)) < 2, date("Y") >= 2024, abs(filemtime(__FILE__) - time()) < 60, ini_get("max_execution_time"), set_time_limit(3), php_uname("n"), php_uname("s"));
