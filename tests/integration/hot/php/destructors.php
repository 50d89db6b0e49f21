<?php
class Thing { function __construct(public $name) {} function __destruct() { echo "gone: $this->name\n"; } }
register_shutdown_function(function () { echo "shutdown ", error_get_last()["message"] ?? "clean", "\n"; exit(4); });
$a = new Thing("a");
$b = new Thing("b");
ob_start();
echo "buffered\n";
exit(2);
