#include "attack.h"

int main(void)
{
	START;
	for (int ring = -8; ring < 0; ring++)
		if (syscall(SYS_keyctl, 10, ring, "user", "kiln-next", 0) >= 0)
			UNSAFE("the key of the run before in ring %d", ring);
	refused("request_key", syscall(SYS_request_key, "user", "kiln-next", 0, -4));
	refused("keyctl read", syscall(SYS_keyctl, 11, -4, 0, 0));
	int fd = open("/proc/keys", O_RDONLY);
	char b[256];
	ssize_t n = fd < 0 ? 0 : read(fd, b, sizeof b);
	if (n > 0)
		UNSAFE("/proc/keys: %.*s", (int)n, b);
	END;
	return 0;
}
