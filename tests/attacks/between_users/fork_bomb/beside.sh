i=0; while [ $i -lt 40 ]; do /bin/true || exit 1; i=$((i+1)); done; echo RIGHT
