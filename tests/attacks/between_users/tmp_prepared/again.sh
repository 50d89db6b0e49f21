echo ATTACK-START; ls -A /tmp /dev/shm | grep @NONCE@ && echo UNSAFE: /tmp is kept; echo ATTACK-END
