#include "attack.h"
#include <mqueue.h>
#include <semaphore.h>

int main(void)
{
	START;
	if (shm_open("/kiln-next", O_RDWR, 0) >= 0)
		UNSAFE("shared memory of the run before");
	if (mq_open("/kiln-next", O_RDWR) >= 0)
		UNSAFE("message queue of the run before");
	if (sem_open("/kiln-next", 0) != SEM_FAILED)
		UNSAFE("semaphore of the run before");
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0kiln-next" };
	if (!connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, 2 + 10))
		UNSAFE("socket of the run before");
	static const char *dirs[] = { "/tmp", "/dev/shm", "/var/tmp", "/home/sandbox", "/dev/mqueue", "/run", 0 };
	for (int i = 0; dirs[i]; i++) {
		DIR *d = opendir(dirs[i]);
		struct dirent *e;
		while (d && (e = readdir(d)))
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				UNSAFE("%s/%s is there", dirs[i], e->d_name);
	}
	END;
	return 0;
}
