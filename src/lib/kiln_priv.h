/*
 * The objects of the public library, for its own files.
 */
#ifndef KILN_LIB_KILN_PRIV_H
#define KILN_LIB_KILN_PRIV_H

#include "config/config.h"
#include "kiln/kiln.h"
#include "lib/node.h"
#include "run/request.h"
#include "run/result.h"
#include "run/run.h"

#include <stdatomic.h>
#include <uv.h>

struct kiln_engine {
	uv_loop_t loop;
	uv_async_t wake; /* some run was cancelled from elsewhere */
	struct config config;
	struct node node;
	struct kiln_run *executing; /* or NULL */
};

struct kiln_run {
	struct kiln_engine *engine;
	struct run_request req;
	struct run *run; /* while it executes */
	struct run_result *result;
	kiln_output_fn output;
	void *user;
	atomic_bool cancelled;
	bool executed;
	char (*explanations)[256]; /* one for each step of the result */
	char *json;
};

#endif
