echo ATTACK-START
echo BY-DEV > /dev/stdout
echo BY-PROC >> /proc/self/fd/1
echo err > /dev/stderr
echo err2 > /dev/fd/2
exec 3>&1 1>&-
( sleep 0.2; echo BY-CHILD >&3 )
for t in /dev/tty /dev/console /dev/ptmx /dev/tty0 /dev/vcs; do
	{ : < $t; } 2>/dev/null && echo "UNSAFE: opens $t" >&3
done
echo ATTACK-END >&3
