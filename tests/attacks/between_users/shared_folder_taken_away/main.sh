echo ATTACK-START
cd /
chmod 000 /sandboxes/shared 2>/dev/null && echo UNSAFE: closed the shared folder
chmod 777 /sandboxes 2>/dev/null && echo UNSAFE: opened the folder of homes
mv /sandboxes/shared /sandboxes/wolf/shared 2>/dev/null && echo UNSAFE: took the shared folder
mv /sandboxes/lion /sandboxes/bear 2>/dev/null && echo UNSAFE: renamed a home
mv /sandboxes/wolf /sandboxes/bear 2>/dev/null && echo UNSAFE: renamed its own home
mkdir /sandboxes/bear 2>/dev/null && echo UNSAFE: made a home
ln -s /etc /sandboxes/bear 2>/dev/null && echo UNSAFE: made a home by a link
rmdir /sandboxes/shared /sandboxes/lion 2>/dev/null && echo UNSAFE: removed
echo x >>/sandboxes/shared/note 2>/dev/null && echo UNSAFE: wrote into what another wrote
mount -t tmpfs none /sandboxes/shared 2>/dev/null && echo UNSAFE: mounted over it
umount -l /sandboxes/shared 2>/dev/null && echo UNSAFE: unmounted it
chmod 000 /sandboxes/wolf
echo ATTACK-END
