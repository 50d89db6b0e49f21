<?php
var_dump(file_get_contents("php://stdin"), fgetc(STDIN));
