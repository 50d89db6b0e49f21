<?php
foreach ([STDIN, STDOUT, STDERR] as $stream) {
	print_r(stream_get_meta_data($stream));
	var_dump(stream_isatty($stream), fstat($stream)["mode"], stream_supports_lock($stream));
}
var_dump(ob_get_level(), ini_get("output_buffering"), ini_get("implicit_flush"), stream_get_wrappers(), stream_get_filters(), headers_sent(), headers_list());
