/*
 * What the two files of the stateful dialect share.
 */
#ifndef KILN_API_DIALECTS_CYBER_DOJO_STATEFUL_PRIV_H
#define KILN_API_DIALECTS_CYBER_DOJO_STATEFUL_PRIV_H

#include "api/dialects/cyber_dojo_priv.h"
#include "api/dialects/cyber_dojo_stateful.h"
#include "api/sessions_priv.h"

/* A call, from its arguments to its answer. */
struct stateful_call {
	struct stateful_call *prev, *next;
	struct api *api;
	struct http_request *http;
	const char *method; /* static */
	json_t *args;	    /* from which the texts below are borrowed */
	const char *image_name, *kata_id, *avatar_name;
	const json_t *new_files, *changed_files, *unchanged_files, *deleted_files, *starting_files;
	int max_seconds;
	char tenant[SESSION_NAME_MAX + 1];
	struct session_wait *wait;
	struct session_run *run;
	struct run_source *reading; /* the image's traffic light */
	bool resurrected;	    /* the avatar was made anew, with all of its files */
};

/* Answers {"method": value} (stolen) and ends the call. */
void stateful_answer(struct stateful_call *call, json_t *value);
/* Answers {"exception": text} and ends the call. */
void stateful_except(struct stateful_call *call, const char *text);

struct session *stateful_kata(const struct stateful_call *call);

/* What makes the kata's session. */
[[nodiscard]] int stateful_kata_make(struct stateful_call *call, session_done_fn done, struct err *err);

/* The avatar with these files; any of them may be NULL. */
[[nodiscard]] int stateful_avatar_make(struct stateful_call *call, struct session *session,
				       const json_t *const *files, size_t count, session_done_fn done,
				       struct err *err);

/* cyber_dojo_stateful_run.c */
void stateful_run(struct stateful_call *call);

#endif
