echo ATTACK-START
mkdir inner && echo secret-of-mine > inner/file && echo x > plain
cp main.sh /tmp/keep 2>/dev/null
ln -sf @CANARY_FILE@ main.sh 2>/dev/null
mv /sandbox /tmp/moved 2>/dev/null && echo "UNSAFE: /sandbox moved"
rmdir /sandbox 2>/dev/null && echo "UNSAFE: /sandbox removed"
ln -s /etc /sandbox/sandbox
chmod 000 inner/file inner plain
chmod 000 /sandbox /home/sandbox /tmp /dev/shm /var/tmp 2>/dev/null
chown 0:0 /sandbox 2>/dev/null && echo "UNSAFE: chown to root"
echo ATTACK-END
