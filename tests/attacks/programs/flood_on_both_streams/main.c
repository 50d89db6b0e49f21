#include "attack.h"

int main(void)
{
	START;
	static char b[65536];
	memset(b, 'f', sizeof b);
	for (int i = 0; i < 3; i++)
		fork();
	for (int fd = 1;; fd ^= 3)
		(void)!write(fd, b, sizeof b);
}
