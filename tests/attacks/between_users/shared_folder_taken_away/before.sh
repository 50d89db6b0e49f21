echo right >/sandboxes/shared/note; chmod 644 /sandboxes/shared/note; echo RIGHT
