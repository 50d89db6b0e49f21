/*
 * What a client says about one run over a connection that stays (API.md, /v1/ws): a JSON object with the run's number,
 * a type, and what belongs to that type. Pure.
 */
#ifndef KILN_RUN_MESSAGE_H
#define KILN_RUN_MESSAGE_H

#include "run/request.h"

enum run_message_type {
	RUN_MESSAGE_START,
	RUN_MESSAGE_STDIN_EOF,
	RUN_MESSAGE_CANCEL,
	RUN_MESSAGE_RESIZE,
	RUN_MESSAGE_SIGNAL,
	RUN_MESSAGE_TYPES,
};

#define RUN_MESSAGE_TTY_MAX 1000 /* rows, columns */

/* Owns its request; run_message_finish() frees it. */
struct run_message {
	enum run_message_type type;
	uint32_t run;
	/*
	 * Of START. When parsing fails and this is true, the message itself was right and only what is asked for is
	 * not: that is the end of this run and of nothing else.
	 */
	bool request_refused;
	struct run_request request;
	struct engine_tty size; /* of RESIZE */
	int signal;		/* of SIGNAL, as this host numbers them */
};

/*
 * Returns 0, or -EINVAL with *err a refusal that names the field (of a request as POST /v1/runs names it), or -ENOMEM.
 * *ret is initialised in any case.
 */
[[nodiscard]] int run_message_parse(const char *text, size_t len, const struct request_bounds *bounds,
				    struct run_message *ret, struct err *err);

void run_message_finish(struct run_message *message);

#endif
