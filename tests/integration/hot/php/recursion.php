<?php
function deeper($n) { return deeper($n + 1) + 1; }
echo "down\n";
ini_set("memory_limit", "64M");
deeper(0);
