#include "run/run_id.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void run_id_format(uint64_t unix_ms, const uint8_t random[10], char ret[RUN_ID_LEN + 1])
{
	for (int i = 0; i < 10; i++)
		ret[i] = alphabet[unix_ms >> (45 - 5 * i) & 31];
	for (unsigned bit = 0, at = 10; at < RUN_ID_LEN; at++, bit += 5) {
		unsigned two = (unsigned)random[bit / 8] << 8 | (bit / 8 + 1 < 10 ? random[bit / 8 + 1] : 0);

		ret[at] = alphabet[two >> (11 - bit % 8) & 31];
	}
	ret[RUN_ID_LEN] = '\0';
}

int run_id_make(char ret[RUN_ID_LEN + 1], struct err *err)
{
	uint8_t random[10];
	struct timespec now;
	ssize_t n;

	do {
		n = getrandom(random, sizeof(random), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(random))
		return err_set(err, n < 0 ? -errno : -EIO, "random bytes for the name of a run");
	clock_gettime(CLOCK_REALTIME, &now);
	run_id_format((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, random, ret);
	return 0;
}
