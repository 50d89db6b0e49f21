echo 2 >open; mv open new2; cat new new2; touch /sandboxes/shared/b2 && echo RIGHT
