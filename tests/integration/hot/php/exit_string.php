<?php
exit("told on the way out");
