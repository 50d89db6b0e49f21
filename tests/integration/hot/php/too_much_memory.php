<?php
echo "begun\n";
$hoard = [];
for (;;)
	$hoard[] = str_repeat("x", 1 << 20);
