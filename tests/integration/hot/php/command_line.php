<?php
echo str_replace("\0", " ", file_get_contents("/proc/self/cmdline")), "\n", readlink("/proc/self/exe"), "\n", file_get_contents("/proc/self/comm");
