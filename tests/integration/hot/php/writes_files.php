<?php
file_put_contents("made.txt", "made\n");
mkdir("folder/inner", 0755, true);
touch("folder/inner/empty");
unlink("data/table.txt");
echo json_encode(glob("*")), "\n";
$t = tmpfile();
echo preg_replace("/php\w+/", "phpNAME", stream_get_meta_data($t)["uri"]), "\n";
