<?php
for ($i = 0; $i < 200; $i++) {
	echo "out $i\n";
	fwrite(STDERR, "err $i\n");
	file_put_contents("php://stdout", "wrapped $i\n");
}
