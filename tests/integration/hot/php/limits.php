<?php
print_r(posix_getrlimit());
echo preg_replace("/ +/", " ", file_get_contents("/proc/self/limits"));
