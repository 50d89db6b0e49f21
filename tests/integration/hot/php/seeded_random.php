<?php
mt_srand(7);
echo mt_rand(), " ", mt_rand(1, 6), " ", implode(",", array_rand(range(0, 50), 5)), "\n";
srand(7);
echo rand(), "\n";
$numbers = range(1, 10);
shuffle($numbers);
echo implode(" ", $numbers), "\n", strlen(uniqid()), strlen(random_bytes(4)), "\n";
