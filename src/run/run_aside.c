#include "run/run_aside.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct limits limits_of(const int64_t wanted[LIMIT_COUNT], const struct limits *ceilings)
{
	struct limits limits = plan_limits_default(ceilings);

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (wanted[i] && (!ceilings->value[i] || wanted[i] < ceilings->value[i]))
			limits.value[i] = wanted[i];
	}
	return limits;
}

static int fill(struct run_plan *plan, const char *image, char *const *argv)
{
	static char *const envp[] = {
		(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)"HOME=/home/sandbox",
		(char *)"LANG=C.UTF-8",
		(char *)"PWD=/sandbox",
		NULL,
	};
	struct plan_step *step = calloc(1, sizeof(*step));

	plan->steps = step;
	if (!step)
		return -ENOMEM;
	plan->steps_count = 1;
	plan->no_cache = true;
	step->name = strdup("light");
	step->image = strdup(image);
	step->argv = strv_copy(argv);
	step->envp = strv_copy(envp);
	return step->name && step->image && step->argv && step->envp ? 0 : -ENOMEM;
}

int run_aside_plan(struct engine *engine, const char *image, char *const *argv,
		   const int64_t wanted[LIMIT_COUNT], const struct limits *ceilings, struct run_plan **ret)
{
	const char *found = engine->v->image_find(engine, image);
	struct run_plan *plan;
	int r;

	if (!found)
		return -ENOENT;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	r = fill(plan, found, argv);
	if (r < 0) {
		plan_destroy(plan);
		return r;
	}
	plan->steps[0].limits = limits_of(wanted, ceilings);
	*ret = plan;
	return 0;
}
