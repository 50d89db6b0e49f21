/*
 * One run on the terminal: from a request to the exit status of `kiln run`.
 */
#ifndef KILN_CMD_RUN_SESSION_H
#define KILN_CMD_RUN_SESSION_H

#include "base/err.h"
#include "config/config.h"
#include "run/request.h"
#include "run/result.h"

#include <stdbool.h>

struct run_session_options {
	bool json;    /* the result on stdout instead of the program's output */
	int stdin_fd; /* taken over unless it is 0 */
	const bool *
		limit_given; /* LIMIT_COUNT of them: set by the user, who is warned when it cannot be enforced */
};

/*
 * Runs the request (empty afterwards), streams, waits for its end. SIGINT, SIGTERM and SIGHUP cancel it, unless they
 * were ignored when kiln started. Returns the exit status for the process, everything that was started being gone, or a
 * negative errno with a sentence: nothing was run.
 */
[[nodiscard]] int run_session(const struct config *config, struct run_request *req,
			      const struct run_session_options *options, struct err *err);

/* The exit status that `kiln help run` promises for a result. `signal`: the one that cancelled it, or 0. */
int run_exit_status(const struct run_result *result, int signal);

#endif
