<?php
echo "begun\n";
sleep(60);
