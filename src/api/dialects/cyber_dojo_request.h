/*
 * What clients of the cyber-dojo runner send: a JSON object whose members are the arguments of the call that the path
 * names. Pure.
 *
 * A refusal's sentence is what the original says where it says something that means anything to a client, and its
 * field names the argument at fault.
 */
#ifndef KILN_API_DIALECTS_CYBER_DOJO_REQUEST_H
#define KILN_API_DIALECTS_CYBER_DOJO_REQUEST_H

#include "base/err.h"
#include "run/request.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define DOJO_SECONDS_MAX 15

/* The calls, and what each takes. */
enum dojo_call_id {
	DOJO_ALIVE,
	DOJO_READY,
	DOJO_SHA,
	DOJO_PULL_IMAGE,
	DOJO_RUN,
	DOJO_CALLS,
};

/* The path's last component, without the slash: "run_cyber_dojo_sh". */
const char *dojo_call_name(enum dojo_call_id call);

/* A file whose name is written other than where it lands: "/etc/x" lands in etc/x. */
struct dojo_alias {
	const char *name; /* the request's */
	char *path;	  /* relative to /sandbox */
};

/* Owns all it points to; dojo_request_finish() frees it, half-built ones too. */
struct dojo_request {
	json_t *json;		/* from which the texts are borrowed */
	char id[1024];		/* for CYBER_DOJO_ID */
	const char *image_name; /* as the client said it */
	const json_t *contents; /* `files`: name to content */
	struct run_request files;
	struct dojo_alias *aliases;
	size_t aliases_count;
	const char *lambda; /* manifest.rag_lambda; NULL: none */
	size_t lambda_len;
	int max_seconds;     /* 1 … DOJO_SECONDS_MAX */
	char tar_fault[512]; /* what tar says of the names, ending in a line end; "": they are fine */
};

/*
 * Reads the arguments of a call; `call` DOJO_CALLS: an unknown path. 0, or -EINVAL with a refusal (ERR_MALFORMED,
 * ERR_TOO_LARGE), or -ENOMEM. *ret is to be finished in any case.
 */
[[nodiscard]] int dojo_request_parse(enum dojo_call_id call, const void *body, size_t len,
				     struct dojo_request *ret, struct err *err);

void dojo_request_finish(struct dojo_request *request);

#endif
