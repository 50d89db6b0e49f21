p gets, $., STDIN.readline, $<.filename, ARGF.read, STDIN.eof?, gets, $_
