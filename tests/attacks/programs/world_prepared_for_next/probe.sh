echo ATTACK-START probe
bash -lc true; bash -ic 'ls / >/dev/null' 2>/dev/null; ls / | grep POISON
python3 -c 'import json; json.dumps(1)'
perl -e 'print "INFO: perl\n"'
find / -xdev -newer /proc/self/stat -type f 2>/dev/null | head -3
grep -ras "POISON-@NONCE@" /sandbox /tmp /var/tmp /dev/shm /home /etc /run /var/spool 2>/dev/null | grep -v 'probe\|/main.sh' | sed 's/POISON/UNSAFE: residue/'
hostname 2>/dev/null | grep -q poison && echo "UNSAFE: host name"
[ "$(umask)" = 0022 ] || echo "UNSAFE: umask $(umask)"
[ "$(ulimit -n)" -ge 64 ] || echo "UNSAFE: ulimit -n $(ulimit -n)"
[ -z "$LD_PRELOAD" ] || echo "UNSAFE: LD_PRELOAD"
[ "$(ls /proc | grep -c '^[0-9]')" -le 6 ] || echo "UNSAFE: processes of others"
echo ATTACK-END
