<?php
echo $undefined, "x" + 0 ?? "", "\n";
