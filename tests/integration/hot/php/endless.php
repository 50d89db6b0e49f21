<?php
echo "begun\n";
for (;;);
