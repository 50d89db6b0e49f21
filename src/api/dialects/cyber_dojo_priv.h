/*
 * What the files of the cyber-dojo dialect share.
 */
#ifndef KILN_API_DIALECTS_CYBER_DOJO_PRIV_H
#define KILN_API_DIALECTS_CYBER_DOJO_PRIV_H

#include "api/api_priv.h"
#include "api/dialects/cyber_dojo.h"
#include "api/dialects/cyber_dojo_answer.h"
#include "run/run_ruby.h"
#include "run/run_source.h"

struct cyber_dojo {
	struct api *api;
	struct text_kind *kind;
	struct dojo_call *calls; /* doubly linked */
	size_t calls_count;
	size_t working; /* calls whose thread has not come back; they hold the dojo */
	bool closed;	/* destroyed, but for those */
};

/* Where a call stands. */
enum dojo_stage {
	DOJO_STAGE_QUEUE,
	DOJO_STAGE_RUN,
	DOJO_STAGE_SOURCE, /* the image's traffic light is fetched */
	DOJO_STAGE_RUBY,   /* only Ruby itself can judge */
	DOJO_STAGE_WORK,   /* a thread has it */
};

struct dojo_call {
	struct dojo_call *prev, *next;
	struct cyber_dojo *dojo;
	struct http_request *http; /* NULL: the client is gone */
	struct dojo_request request;
	enum dojo_stage stage;
	struct queue_entry *entry; /* or NULL */
	struct run_plan *plan;	   /* until it starts */
	struct run *run;	   /* of the stage */
	struct run_result *result; /* of cyber-dojo.sh */
	char *image;		   /* canonical */
	uint64_t entered_us;
	char tenant[64];
	/* The thread's. */
	uv_work_t work;
	struct buf out, err;
	bool out_truncated, err_truncated;
	struct dojo_light light;
	char *source;		/* of the light, where it is the image's */
	struct light *compiled; /* the cache's, or the call's own */
	bool compiled_here;
	bool judged;		/* by whomever */
	bool unsupported;	/* but only Ruby could */
	const char *ruby_image; /* NULL: Ruby cannot be asked, or was */
	struct run_ruby *ruby;
	struct run_source *reading; /* the image's traffic light */
	json_t *answer;
};

/* cyber_dojo.c */
/* The exception document; `err` says status and sentence. */
void dojo_refuse(struct cyber_dojo *dojo, struct http_request *request, const struct err *err);

/* cyber_dojo_run.c */
/* Takes over the request when it returns 0; it then answers by itself. */
[[nodiscard]] int dojo_call_begin(struct cyber_dojo *dojo, struct http_request *http,
				  struct dojo_request *request, struct err *err);
/* Without an answer. */
void dojo_call_destroy(struct dojo_call *call);
void dojo_free(struct cyber_dojo *dojo);

/* cyber_dojo_plan.c */
/* What runs cyber-dojo.sh in `image`; takes the request's files. */
[[nodiscard]] int dojo_plan_run(const struct api *api, struct dojo_request *request, const char *image,
				struct run_plan **ret, struct err *err);

/* cyber_dojo_light.c */
/* What is judged: the streams as they are returned. */
struct light_input dojo_light_input(const struct dojo_call *call);
/* Compiles and judges: in a thread. */
void dojo_light_judge(struct dojo_call *call);
/* What Ruby said of it. */
void dojo_light_take(struct dojo_light *light, const struct run_ruby_verdict *verdict);

/* cyber_dojo_images.c */
/*
 * The canonical name of the kiln image that a client's image_name means, or NULL: this node has none. Valid until the
 * next question to the engine.
 */
const char *dojo_image_find(const struct cyber_dojo *dojo, const char *image_name);
/* Whether the settings on images can be what they say. 0, or -EINVAL with a sentence. */
[[nodiscard]] int dojo_images_check(const struct cyber_dojo *dojo, struct err *err);
/* The language whose image it is, where the settings say so, else NULL. Its traffic light is theirs. */
const struct language *dojo_image_language(const struct cyber_dojo *dojo, const char *image_name);
/* Has it pulled in the background, unless that is under way. */
void dojo_image_pull(struct cyber_dojo *dojo, const char *image_name);

#endif
