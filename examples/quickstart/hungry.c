/* Takes memory until somebody says no. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024 * 1024)

int main(void)
{
	for (int i = 1;; i++) {
		char *block = malloc(MIB);

		if (!block)
			return 1;
		memset(block, 'x', MIB);
		if (i % 16 == 0) {
			printf("took %d MiB\n", i);
			fflush(stdout);
		}
	}
}
