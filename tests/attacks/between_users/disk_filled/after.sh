[ "$(cat kept)" = kept ] && echo more >more2 && cat new more2 && echo RIGHT
