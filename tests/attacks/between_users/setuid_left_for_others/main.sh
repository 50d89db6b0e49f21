echo ATTACK-START
/sandboxes/lion/cat /sandboxes/lion/private && echo UNSAFE: became another by his setuid program
cp /usr/bin/id /sandboxes/shared/id; chmod 6777 /sandboxes/shared/id
mkdir /sandboxes/shared/deep; chmod 6777 /sandboxes/shared/deep
echo $(id -u) >/sandboxes/shared/wolf; chmod 666 /sandboxes/shared/wolf
chown lion /sandboxes/shared/id 2>/dev/null && echo UNSAFE: gives files away
chgrp 0 /sandboxes/shared/id 2>/dev/null && echo UNSAFE: gives files to another group
echo ATTACK-END
