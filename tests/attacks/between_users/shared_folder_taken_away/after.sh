[ "$(cat /sandboxes/shared/note)" = right ] && echo more >/sandboxes/shared/more && ls /sandboxes | grep -q wolf && echo RIGHT
