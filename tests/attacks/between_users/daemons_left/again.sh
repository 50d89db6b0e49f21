echo ATTACK-START; grep -la '[d]aemon-@NONCE@' /proc/[0-9]*/cmdline 2>/dev/null && echo UNSAFE: it is still there; ls /tmp/stolen 2>/dev/null && echo UNSAFE: /tmp is kept; echo ATTACK-END
