<?php
foreach (["REQUEST_TIME", "REQUEST_TIME_FLOAT"] as $name) {
	var_dump(abs($_SERVER[$name] - time()) < 60);
	unset($_SERVER[$name]);
}
print_r($_SERVER);
print_r(array_keys($GLOBALS));
var_dump($_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST);
