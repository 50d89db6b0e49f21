<?php
require "beside.php";
require_once __DIR__ . "/beside.php";
echo beside(), "\n";
include "not there.php";
require "nowhere.php";
