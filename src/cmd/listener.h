/*
 * An address to listen on as kiln.conf has it: "host:port", and behind it perhaps ",dialect=NAME".
 */
#ifndef KILN_CMD_LISTENER_H
#define KILN_CMD_LISTENER_H

#include "base/err.h"

struct listener {
	char address[128];  /* "host:port" */
	const char *prefix; /* of the dialect's routes, static; NULL: kiln's own */
};

/* 0, or -EINVAL with a refusal. */
[[nodiscard]] int listener_parse(const char *text, struct listener *ret, struct err *err);

#endif
