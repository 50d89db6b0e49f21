<?php
echo "never";
function (;
