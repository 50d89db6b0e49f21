<?php
echo "no line end";
exit(77);
