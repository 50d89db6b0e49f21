echo ATTACK-START
trap '' TERM HUP INT QUIT
(setsid bash -c 'trap "" TERM HUP; exec -a late-@NONCE@ sleep 60' &)
bash -c 'kill -STOP $$' late-@NONCE@ &
exec -a late-@NONCE@ sleep 60
