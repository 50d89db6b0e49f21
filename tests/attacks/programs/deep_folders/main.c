#include "attack.h"

int main(void)
{
	START;
	char name[201] = { 0 };
	memset(name, 'd', 200);
	int n = 0;
	for (; n < 3000; n++) {
		if (mkdir(name, 0755) || chdir(name))
			break;
		if (n % 100 == 0)
			close(open("file.txt", O_WRONLY | O_CREAT, 0644));
	}
	close(open("bottom.txt", O_WRONLY | O_CREAT, 0644));
	INFO("depth %d", n);
	END;
	return 0;
}
