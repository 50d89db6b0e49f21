flock -n . true && flock -n new2 true && flock -n /sandboxes/shared true && echo RIGHT
