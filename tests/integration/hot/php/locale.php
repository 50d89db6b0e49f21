<?php
var_dump(setlocale(LC_ALL, 0), date_default_timezone_get(), ini_get("default_charset"), mb_internal_encoding(), localeconv()["decimal_point"], sprintf("%.2f", 1.5), PHP_INT_SIZE);
