/*
 * A `kiln serve` of one's own on a free port of the loopback, for as long as something is measured.
 */
#ifndef KILN_BENCH_SERVER_H
#define KILN_BENCH_SERVER_H

#include "base/err.h"

#include <sched.h>
#include <sys/types.h>

struct server {
	pid_t pid; /* 0: not started */
	char url[64];
	int log_fd;
};

/*
 * Starts this very program as a server. `flags` are settings as "--name=value" (NULL: none), `cpus` the processors
 * that it and all its sandboxes may use (NULL: all). Returns when it listens, with *ret for server_stop(); or a
 * negative errno with what the server said last. Blocks, for 30 s at most.
 */
[[nodiscard]] int server_start(char *const *flags, const cpu_set_t *cpus, struct server *ret,
			       struct err *err);

/* Ends it and waits until it is gone. One that was not started, or zeroed, is fine. */
void server_stop(struct server *server);

#endif
