<?php
echo fgets(STDIN), stream_get_line(STDIN, 100, "\n"), "|", fscanf(STDIN, "%s")[0], "|", stream_get_contents(STDIN), "|", var_export(feof(STDIN), true), "\n";
