#include "attack.h"
#include <mqueue.h>
#include <semaphore.h>

int main(void)
{
	START;
	int fd = shm_open("/kiln-next", O_RDWR | O_CREAT, 0666);
	INFO("shm %d %zd", fd, write(fd, "RESIDUE", 7));
	INFO("mq %d", mq_open("/kiln-next", O_RDWR | O_CREAT, 0666, 0));
	INFO("sem %d", sem_open("/kiln-next", O_CREAT, 0666, 5) != SEM_FAILED);
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0kiln-next" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	INFO("abstract %d %d", bind(s, (void *)&a, 2 + 10), listen(s, 5));
	if (!fork()) {
		setsid();
		sleep(60);
	}
	say("PLANTED");
	END;
	return 0;
}
