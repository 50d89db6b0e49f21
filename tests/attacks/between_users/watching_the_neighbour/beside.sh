before=$(nice); for i in 1 2 3 4 5 6 7 8; do echo $i >closed/@SECRET@-$i; sleep 0.2; done; [ $(nice) = $before ] && echo RIGHT
