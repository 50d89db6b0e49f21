echo kept >kept; echo RIGHT
