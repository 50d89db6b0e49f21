[ "$(/sandboxes/shared/id -u)" = "$(id -u)" ] && [ "$(id -u)" != "$(cat /sandboxes/shared/wolf)" ] || exit 1
touch /sandboxes/shared/deep/x; [ "$(stat -c %u /sandboxes/shared/deep/x)" = "$(id -u)" ] && echo RIGHT
