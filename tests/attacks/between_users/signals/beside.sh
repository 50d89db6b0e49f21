trap 'echo WRONG got a signal' TERM HUP INT USR1 CONT
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; done
echo RIGHT
