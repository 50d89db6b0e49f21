#include "run/run_source.h"

#include "base/cleanup.h"
#include "light/light.h"
#include "run/run.h"
#include "run/run_aside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_WALL_MS 5000

struct run_source {
	struct run_source_options options;
	struct run *run;
	char image[]; /* its name */
};

static struct run_source_found found_in(const struct run_result *result)
{
	static const char none[] = "";
	const struct step_result *step = result->steps_count > 0 ? &result->steps[0] : NULL;
	struct run_source_found found = { .why = none };

	if (step && result->outcome == RUN_OK) {
		found.text = step->out.len ? (const char *)step->out.data : none;
		found.len = step->out.len;
	} else if (step && step->err.len) {
		found.why = (const char *)step->err.data;
		found.why_len = step->err.len;
	}
	return found;
}

static void on_done(void *user, struct run_result *result)
{
	struct run_source *source = user;
	const struct run_source_found found = found_in(result);

	run_destroy(TAKE_PTR(source->run));
	if (found.text && source->options.sources)
		light_sources_keep(source->options.sources, source->image, found.text, found.len);
	/* The result lives on here, whatever becomes of `source`. */
	source->options.done(source->options.user, &found);
	run_result_destroy(result);
}

int run_source_start(const struct run_source_options *options, struct run_source **ret, struct err *err)
{
	static char *const argv[] = { (char *)"cat", (char *)LIGHT_IMAGE_FILE, NULL };
	static const int64_t wanted[LIMIT_COUNT] = {
		[LIMIT_WALL_MS] = SOURCE_WALL_MS,
		[LIMIT_OUTPUT_BYTES] =
			LIGHT_SOURCE_BYTES + 1, /* light_compile_ruby() refuses that with a reason */
	};
	static const struct run_events events = { .done = on_done };
	static const struct run_options plain = { 0 };
	AUTO_FREE struct run_source *source = NULL;
	struct run_plan *plan;
	size_t size = strlen(options->image) + 1;
	int r = run_aside_plan(options->engine, options->image, argv, wanted, &options->ceilings, &plan);

	if (r < 0)
		return err_set(err, r, "the image's traffic light");
	source = calloc(1, sizeof(*source) + size);
	if (!source) {
		plan_destroy(plan);
		return err_set(err, -ENOMEM, "the image's traffic light");
	}
	source->options = *options;
	memcpy(source->image, options->image, size);
	source->options.image = source->image;
	r = run_start(options->engine, plan, &plain, &events, source, &source->run, err);
	if (r == 0)
		*ret = TAKE_PTR(source);
	return r;
}

void run_source_destroy(struct run_source *source)
{
	if (!source)
		return;
	run_destroy(source->run);
	free(source);
}
