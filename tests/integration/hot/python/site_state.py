import site, builtins
print(site.ENABLE_USER_SITE, site.USER_SITE, site.USER_BASE, sorted(vars(builtins)))
