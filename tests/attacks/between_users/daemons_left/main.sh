echo ATTACK-START
beat() { while :; do date +%s%N >/sandboxes/shared/beat; cp -r /sandboxes/lion /tmp/stolen; sleep 0.05; done; }
trap '' TERM HUP INT QUIT PIPE
(setsid bash -c "$(declare -f beat); exec -a daemon-@NONCE@ bash -c 'while :; do date +%s%N >/sandboxes/shared/beat; sleep 0.05; done'" >/dev/null 2>&1 &)
(bash -c 'kill -STOP $$; while :; do touch /sandboxes/shared/stopped; done' daemon-@NONCE@ &) 2>/dev/null
(nohup setsid nice bash -c 'exec 0<&- 1>&- 2>&-; while :; do touch /sandboxes/shared/beat2; sleep 0.05; done' daemon-@NONCE@ &) >/dev/null 2>&1
(crontab - <<<'* * * * * touch /sandboxes/shared/cron'; echo 'touch /sandboxes/shared/at' | at now) >/dev/null 2>&1
sleep 0.3
echo ATTACK-END
