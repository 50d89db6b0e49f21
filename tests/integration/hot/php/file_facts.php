<?php
var_dump(__FILE__, __DIR__, __LINE__, getcwd(), get_included_files(), get_include_path(), getlastmod() > 1600000000, getmyuid() === posix_getuid(), $_SERVER["SCRIPT_NAME"], $_SERVER["PATH_TRANSLATED"], $_SERVER["DOCUMENT_ROOT"]);
print_r(scandir("."));
echo file_get_contents("data/table.txt");
