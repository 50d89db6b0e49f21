<?php
var_dump($argc, $argv, $_SERVER["argv"], $_SERVER["argc"], PHP_BINARY, PHP_SAPI, cli_get_process_title());
