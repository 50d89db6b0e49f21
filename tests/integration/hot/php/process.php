<?php
var_dump(getmypid(), posix_getppid(), posix_getsid(0), posix_getpgid(0), posix_getuid(), posix_getgroups(), umask(), posix_isatty(0), posix_ttyname(1), posix_getcwd(), getservbyname("http", "tcp"), get_current_user(), sys_get_temp_dir());
