umask 077; mkdir -p closed; echo @SECRET@ >closed/name; echo RIGHT
