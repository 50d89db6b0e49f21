import resource
own = resource.getrusage(resource.RUSAGE_SELF)
children = resource.getrusage(resource.RUSAGE_CHILDREN)
print(own.ru_utime < 5, own.ru_maxrss > 1000, children.ru_utime, children.ru_maxrss)
