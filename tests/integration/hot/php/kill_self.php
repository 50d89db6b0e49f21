<?php
echo "before\n";
posix_kill(getmypid(), 15);
sleep(5);
