echo 1 >open; chmod 644 open; mkfifo /sandboxes/shared/own; echo RIGHT
