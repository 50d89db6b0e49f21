#include "attack.h"

static int eat(int n)
{
	volatile char b[4096];
	b[0] = n;
	return eat(n + 1) + b[0];
}
int main(void)
{
	START;
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	if (!setrlimit(RLIMIT_STACK, &r))
		UNSAFE("the limit of the stack can be raised");
	getrlimit(RLIMIT_STACK, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_STACK, &r);
	return eat(0);
}
