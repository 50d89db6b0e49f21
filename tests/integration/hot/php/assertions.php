<?php
var_dump(ini_get("zend.assertions"), ini_get("assert.exception"));
assert(1 > 2, "numbers are odd");
echo "after\n";
