<?php
echo "behind a mark\n";
