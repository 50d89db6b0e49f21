/*
 * What `kiln doctor` finds out. The host's checks judge what doctor_facts.h found out by trying where that is harmless;
 * what the engine can hold is asked of the engine itself, which has tried it; and a canary run tries from inside to get
 * out.
 */
#ifndef KILN_CMD_DOCTOR_H
#define KILN_CMD_DOCTOR_H

#include "cmd/doctor_facts.h"
#include "config/config.h"
#include "engine/native/native.h"
#include "lib/node.h"

#include <stdbool.h>
#include <stddef.h>

enum finding_status {
	FINDING_PRESENT,
	FINDING_DEGRADED, /* runs are possible, with a wall or a limit less */
	FINDING_MISSING,
};

struct finding {
	const char *name; /* static */
	enum finding_status status;
	char why[256];
	char mend[256]; /* how to mend it; empty when there is nothing to mend */
};

const char *finding_status_name(enum finding_status status);

#define FINDINGS_MAX 64

struct findings {
	struct finding list[FINDINGS_MAX];
	size_t count;
};

/* Adds one. Texts are cut at their buffers' ends. */
void finding_add(struct findings *to, const char *name, enum finding_status status, const char *mend,
		 const char *why, ...) __attribute__((format(printf, 5, 6)));

/* The checks that need no engine. Pure: the same facts, the same findings. */
void doctor_host_check(struct findings *to, const struct doctor_facts *facts);

/* What the engine found out about this host. Pure too. */
void doctor_engine_check(struct findings *to, const struct native_host *host,
			 const struct doctor_facts *facts);

void doctor_languages_check(struct findings *to, const struct language_registry *languages);

/*
 * Runs a program that tries to reach what a sandbox must not reach. Adds one finding for each attempt, and one for the
 * run. Returns true when it ran and nothing was reached.
 */
bool doctor_canary_run(struct findings *to, struct node *node, uv_loop_t *loop, const struct config *config);

#endif
