<?php
set_exception_handler(function ($e) { echo get_class($e), ": ", $e->getMessage(), " ", $e->getLine(), "\n"; exit(9); });
set_error_handler(function ($n, $text, $file, $line) { echo "$n $text $file:$line\n"; return true; });
echo $undefined, [1][3];
intdiv(1, 0);
