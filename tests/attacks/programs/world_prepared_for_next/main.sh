echo ATTACK-START
P="POISON-@NONCE@"
mkdir -p ~/.config/pip ~/.local/lib/python3/site-packages ~/bin ~/.gnupg /sandbox/usr/lib
for f in .bashrc .bash_profile .profile .bash_logout .zshrc .inputrc .gdbinit .vimrc .perltidyrc .pythonstartup .npmrc .curlrc .wgetrc; do echo "echo $P $f" > ~/$f; done
echo "import sys; sys.stdout.write('$P usercustomize\n')" > ~/.local/lib/python3/site-packages/usercustomize.py
for v in /usr/lib/python3*; do d=~/.local/lib/$(basename $v)/site-packages; mkdir -p $d; cp ~/.local/lib/python3/site-packages/usercustomize.py $d/; done
echo "print('$P')" > /tmp/json.py; cp /tmp/json.py /sandbox/json.py; cp /tmp/json.py /var/tmp/; cp /tmp/json.py /dev/shm/
printf '#!/bin/sh\necho %s tool\n' "$P" > ~/bin/ls; chmod 755 ~/bin/ls; cp ~/bin/ls /tmp/ls; cp ~/bin/ls /sandbox/ls
for f in /etc/ld.so.preload /etc/profile /etc/bash.bashrc /etc/environment /etc/sudoers /etc/crontab /etc/python3/sitecustomize.py /usr/lib/python3/sitecustomize.py /usr/local/bin/ls /var/spool/cron/root /run/evil; do ( echo "$P" > $f ) 2>/dev/null && echo "UNSAFE: wrote $f"; done
hostname poison-@NONCE@ 2>/dev/null; ulimit -n 20; ulimit -u 5; umask 777; export LD_PRELOAD=/tmp/x.so
echo ATTACK-END
