<?php
$all = getenv();
ksort($all);
print_r($all);
var_dump(count($_ENV), getenv("MISSING"), putenv("A=b"), getenv("A"), $_SERVER["HOME"] ?? null);
