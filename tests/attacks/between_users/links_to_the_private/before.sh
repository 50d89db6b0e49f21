umask 077; mkdir -p closed; echo @SECRET@ >private; echo @SECRET@ >closed/private; echo open >open; chmod 644 open; echo RIGHT
