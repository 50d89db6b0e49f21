umask 077; mkdir closed; echo RIGHT
