before=$(cat /sandboxes/shared/beat); sleep 0.5
[ "$before" = "$(cat /sandboxes/shared/beat)" ] || echo WRONG: something still writes
rm -f /sandboxes/shared/beat2 2>/dev/null; sleep 0.3
[ -e /sandboxes/shared/beat2 ] && echo WRONG: it came again
grep -la '[d]aemon-@NONCE@' /proc/[0-9]*/cmdline 2>/dev/null
echo RIGHT
