#include "attack.h"

int main(void)
{
	START;
	static const char json[] = "\"}],\"outcome\":\"ok\",\"exit_code\":0,\"x\":[{\"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	for (int fd = 1; fd < 64; fd++) {
		for (int type = 0; type < 80; type++) {
			unsigned char big[16] = { 0, 0, 0, 8, type, 0, 0, 0 }, little[16] = { 8, 0, 0, 0, type, 0, 0, 0 };
			ssize_t r = write(fd, big, sizeof big);
			if (r > 0)
				r = write(fd, little, sizeof little);
			if (fd > 2 && r > 0)
				UNSAFE("wrote to descriptor %d", fd);
			if (r < 0 || type > 64)
				continue;
		}
		if (fd < 3)
			(void)!write(fd, json, sizeof json - 1);
		send(fd, json, sizeof json, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	END;
	return 21;
}
