echo ATTACK-START; umask 077; echo @SECRET@ >/sandboxes/shared/private; echo @SECRET@ >private; mkdir closed; echo @SECRET@ >closed/x; echo ATTACK-END
