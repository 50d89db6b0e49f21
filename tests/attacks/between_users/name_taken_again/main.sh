echo ATTACK-START
cat /sandboxes/shared/private private closed/x 2>/dev/null && echo UNSAFE: reads what was left
chmod 777 /sandboxes/shared/private 2>/dev/null && echo UNSAFE: owns what was left
[ -z "$(ls -A | grep -v '^main.sh$')" ] || echo UNSAFE: the home was not empty
echo ATTACK-END
