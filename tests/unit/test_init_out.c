/*
 * init's buffer of frames on their way to the host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "init/init_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Of container.c, which is another part. */
int container_host_timeout(const struct init *init)
{
	return -1;
}

void container_check_host(const struct init *init)
{
}

static struct init init;

static int full_pipe(void)
{
	static char text[WIRE_TO_HOST_MAX];
	int ends[2];

	memset(text, 'e', sizeof(text));
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], text, sizeof(text)), sizeof(text));
	close(ends[1]);
	return ends[0];
}

/* One look at how much room there is, then both streams are read: with a host that is slow to take any. */
static void two_full_streams_do_not_write_behind_the_buffer(void **state)
{
	int pipes[2] = { full_pipe(), full_pipe() };

	memset(&init, 0, sizeof(init));
	init.out_len = OUT_BUFFER_SIZE - OUT_RESERVE - OUTPUT_CHUNK_MIN;
	for (uint8_t which = 0; which < 2; which++) {
		ssize_t n = out_read_frame(&init, pipes[which], WIRE_OUTPUT, (uint8_t)(which + 1),
					   WIRE_TO_HOST_MAX);

		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		assert_true(init.out_len <= OUT_BUFFER_SIZE - OUT_RESERVE);
		assert_int_equal(init.out_start, 0);
		close(pipes[which]);
	}
	assert_int_equal(init.sandbox_mode, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_full_streams_do_not_write_behind_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
