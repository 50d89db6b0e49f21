echo ATTACK-START
cat /tmp/private /dev/shm/private /var/tmp/private 2>/dev/null && echo UNSAFE: reads the /tmp of another
for d in /tmp /var/tmp /dev/shm /run /run/lock /home /home/*; do
	touch "$d/trap-@NONCE@" 2>/dev/null; ln -s /etc/passwd "$d/out" 2>/dev/null; echo 'print("trapped")' >"$d/os.py" 2>/dev/null
done
chmod 777 /tmp 2>/dev/null; chmod 000 /dev/shm 2>/dev/null
echo ATTACK-END
