/*
 * What a run will do, worked out before anything is started: each step with its image, argument vector,
 * environment, limits and input. Pure: request + languages + ceilings in, plan out. Golden tests print it.
 *
 * The plan takes over the request's files and bytes (the request is empty afterwards) and is immutable from
 * then on.
 */
#ifndef KILN_RUN_PLAN_H
#define KILN_RUN_PLAN_H

#include "image/image.h"
#include "run/language.h"
#include "run/request.h"

struct plan_step {
	char *name;
	char *image; /* canonical image name, e.g. "host" */
	char **argv;
	char **envp;	      /* complete: nothing is inherited */
	struct limits limits; /* every one resolved */
	struct run_bytes stdin_bytes;
	char **keep;
	struct engine_identity identity;
	bool fresh;  /* a new sandbox that holds only what the step before kept */
	bool in_pwd; /* starts in the folder that PWD of envp names, not in /sandbox */
	bool drops;  /* output beyond output_bytes is dropped, and does not end it */
	bool hot;    /* the first step, and what its language starts ahead can become it */
};

struct run_plan {
	char *language;			/* id, or NULL for an image run */
	char *language_version;		/* as the registry has it, or NULL */
	const struct engine_warm *warm; /* of the first sandbox; NULL: none; the registry's */
	struct run_file *files;
	size_t files_count;
	struct plan_step *steps;
	size_t steps_count;
	enum collect_mode collect;
	char **collect_globs;
	bool collect_odd_names;	     /* files whose names are not UTF-8 too, with the rest of them as \xNN */
	uint64_t collect_file_bytes; /* files are cut there; 0: RUN_COLLECT_FILE_BYTES */
	bool network_loopback;
	struct engine_tty tty; /* of the last step; rows 0: it has none */
	bool no_cache;	       /* the request wants every step to be run */
	struct run_light_spec light;
};

/* What plan_make() asks of its surroundings. */
struct plan_context {
	const struct language_registry *languages;
	const struct language
		*language;	  /* this one, whatever the request calls it; NULL: by name and range */
	bool hot;		  /* the engine has a stock of what languages start ahead: ask for it */
	const char *login, *home; /* in a session: as whom steps run, and where they start; else NULL */
	struct limits ceilings;
	/* The canonical name of an image ("host"), or NULL when this node has no such image. */
	const char *(*image_find)(void *user, const char *name);
	void *user;
	/*
	 * What the maker of a stored image said about running it; 0, or a negative errno with nothing in *ret.
	 * Never asked of "host". NULL: there are no stored images.
	 */
	int (*image_config)(void *user, const char *name, struct image *ret, struct err *err);
	void *image_user;
};

/*
 * Returns 0 and *ret (plan_destroy()), or -EINVAL with a refusal: unknown language or image (404, fields
 * "language", "image", "steps[i].image"), a limit over its ceiling or under its minimum (422, "limits.x" or
 * "steps[i].limits.x"), nothing to run (422), files larger than disk_bytes (422, "limits.disk_bytes"), an
 * entry that is not among the files (422, "entry").
 */
[[nodiscard]] int plan_make(struct run_request *req, const struct plan_context *context,
			    struct run_plan **ret, struct err *err);

void plan_destroy(struct run_plan *plan);

/* The limits of a run that asks for none, in no language. */
struct limits plan_limits_default(const struct limits *ceilings);

#endif
