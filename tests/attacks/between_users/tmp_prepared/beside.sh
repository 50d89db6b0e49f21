echo @SECRET@ >/tmp/private; echo @SECRET@ >/dev/shm/private; sleep 2; echo RIGHT
