echo RIGHT
