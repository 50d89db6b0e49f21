#include "attack.h"

int main(void)
{
	START;
	INFO("pipe of %d", fcntl(1, F_SETPIPE_SZ, 1 << 20));
	static char b[900000 + 12];
	memset(b, 'p', sizeof b);
	memcpy(b + sizeof b - 12, "\nATTACK-END\n", 12);
	for (size_t at = 0; at < sizeof b;) {
		ssize_t n = write(1, b + at, sizeof b - at);
		if (n <= 0)
			_exit(1);
		at += n;
	}
	_exit(0);
}
