/*
 * From what happened to what the cyber-dojo runner says of it. No descriptor, no clock: all of it is made in a thread
 * beside the loop.
 */
#ifndef KILN_API_DIALECTS_CYBER_DOJO_ANSWER_H
#define KILN_API_DIALECTS_CYBER_DOJO_ANSWER_H

#include "api/dialects/cyber_dojo_request.h"
#include "api/dialects/text_kind.h"
#include "light/light.h"
#include "run/result.h"

#define DOJO_TEXT_CHARS	   (50 * 1024) /* of a stream or file, in characters */
#define DOJO_FILE_BYTES	   (4 * DOJO_TEXT_CHARS + 4)
#define DOJO_CREATED_FILES 16

/* How cyber-dojo.sh ended, apart from what it printed. */
enum dojo_end {
	DOJO_END_ITSELF, /* with a status, so that a traffic light is asked */
	DOJO_END_TIMED_OUT,
	DOJO_END_FAULTY,
	DOJO_END_PULLING, /* it did not begin: the image is not there yet */
};

/* What is wrong with a traffic light. */
enum dojo_fault {
	DOJO_FAULT_NONE,
	DOJO_FAULT_MISSING, /* the image has none */
	DOJO_FAULT_SOURCE,  /* it does not compile */
	DOJO_FAULT_CALL,    /* it raises an exception */
	DOJO_FAULT_COLOUR,  /* it gives something else */
};

/* The traffic light, and what became of it. */
struct dojo_light {
	bool from_manifest;
	const char *source; /* NULL: none was found */
	size_t source_len;
	enum dojo_fault fault;
	enum light_colour colour; /* without a fault */
	char class_name[64];	  /* of the exception, as Ruby calls it */
	struct buf message;	  /* of the exception; or what was given for a colour */
};

/* All that an answer is made of; borrowed. */
struct dojo_facts {
	const struct dojo_request *request;
	const struct run_result *result; /* NULL: nothing was run */
	enum dojo_end end;
	const struct buf *out, *err; /* cleaned and cut */
	bool out_truncated, err_truncated;
	const struct dojo_light *light; /* of DOJO_END_ITSELF */
	struct text_kind *kind;
};

/* How a run ended. */
enum dojo_end dojo_end_of(const struct run_result *result);

/* The status of cyber-dojo.sh, where the end is DOJO_END_ITSELF. */
int dojo_status_of(const struct run_result *result);

/* {"run_cyber_dojo_sh": …}, or NULL when out of memory. */
json_t *dojo_answer(const struct dojo_facts *facts);

/* Takes down what a light says of itself when it is at fault; `called`: it compiled. -ENOMEM is a message less. */
void dojo_light_blame(struct dojo_light *light, const struct light_fault *fault, bool called);

#endif
