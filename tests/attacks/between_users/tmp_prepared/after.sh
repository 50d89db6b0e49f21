for d in /tmp /var/tmp /dev/shm /run /run/lock /home; do ls -A "$d" 2>/dev/null | grep -E '@NONCE@|^out$|os.py' && echo WRONG: "$d" was prepared; done
echo x >/tmp/out && cd /tmp && [ "$(python3 -c 'import os; print("right")')" = right ] && echo x >/dev/shm/y && echo RIGHT
