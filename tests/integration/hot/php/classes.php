<?php
spl_autoload_register(function ($name) { echo "looking for $name\n"; });
var_dump(class_exists("Missing"), count(get_declared_classes()), get_declared_interfaces(), get_declared_traits());
enum Suit: string { case Hearts = "H"; }
readonly class Point { public function __construct(public int $x) {} }
var_dump(Suit::from("H"), new Point(3), get_defined_functions()["user"]);
