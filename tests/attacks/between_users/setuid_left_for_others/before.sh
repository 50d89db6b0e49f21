umask 077; echo @SECRET@ >private; cp /bin/cat ./cat; chmod 6755 cat; chmod 711 .; chmod 755 .; echo RIGHT
