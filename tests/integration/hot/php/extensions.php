<?php
print_r(get_loaded_extensions());
print_r(get_loaded_extensions(true));
var_dump(php_ini_loaded_file(), php_ini_scanned_files(), phpversion(), zend_version(), function_exists("opcache_get_status"));
