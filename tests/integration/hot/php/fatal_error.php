<?php
echo "before\n";
missing_function(1);
