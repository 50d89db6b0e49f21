#include "attack.h"

int main(void)
{
	START;
	for (int ring = -8; ring < 0; ring++) {
		long id = syscall(SYS_add_key, "user", "kiln-next", "RESIDUE", 7, ring);
		INFO("add_key %d: %ld %s", ring, id, strerror(errno));
		if (id >= 0)
			UNSAFE("a key in ring %d", ring);
	}
	refused("keyctl persistent", syscall(SYS_keyctl, 22, -1, -2));
	refused("keyctl join", syscall(SYS_keyctl, 1, "kiln-next"));
	END;
	return 0;
}
