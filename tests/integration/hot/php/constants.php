<?php
$all = get_defined_constants(true)["Core"];
ksort($all);
print_r($all);
print_r(get_defined_constants(true)["user"] ?? "none");
