<?php
error_reporting(E_ALL);
class Bag {}
$bag = new Bag;
$bag->dynamic = 1;
echo strlen(null), "\n", "${argc}\n";
