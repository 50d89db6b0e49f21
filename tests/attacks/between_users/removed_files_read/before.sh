for i in 1 2 3 4 5 6 7 8; do yes @SECRET@ | head -c 262144 >f$i; done; sync; rm f*; echo RIGHT
