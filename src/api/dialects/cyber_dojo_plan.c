/* What is run for a call: the settings of the original's container. */
#include "api/dialects/cyber_dojo_priv.h"

#include "api/dialects/cyber_dojo_script.h"
#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024LL * 1024)

/* Both tmpfs of the original, /sandbox and /tmp, in one. */
#define DISK_BYTES (500 * MIB)
/* What is kept of each stream, so that 50 K characters are in it whatever else is. */
#define OUTPUT_BYTES (4 * MIB)

/* The settings of `docker run`, each cut at this node's ceiling; 0: the ceiling. */
static const int64_t run_limits[LIMIT_COUNT] = {
	[LIMIT_MEMORY_BYTES] = 2048 * MIB,   [LIMIT_PROCESSES] = 128,
	[LIMIT_OUTPUT_BYTES] = OUTPUT_BYTES, [LIMIT_DISK_BYTES] = DISK_BYTES,
	[LIMIT_FILE_BYTES] = 256 * MIB,	     [LIMIT_OPEN_FILES] = 1024,
	[LIMIT_STACK_BYTES] = 16 * MIB,
};

static struct limits limits_of(const struct api *api, int64_t wall_ms)
{
	struct limits limits;

	for (int i = 0; i < LIMIT_COUNT; i++) {
		int64_t ceiling = api->options.config->ceilings.value[i] ?: limit_table[i].default_ceiling;
		int64_t wanted = i == LIMIT_WALL_MS ? wall_ms : run_limits[i];

		limits.value[i] = wanted && wanted < ceiling ? wanted : ceiling;
	}
	return limits;
}

/* "name=value", of an image's ENV too: the later one counts. */
static int env_set(char ***env, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (char **at = *env; at && *at; at++) {
		char *copy;

		if (strncmp(*at, entry, len + 1) != 0)
			continue;
		copy = strdup(entry);
		if (!copy)
			return -ENOMEM;
		free(*at);
		*at = copy;
		return 0;
	}
	return strv_append(env, entry, strlen(entry));
}

static int env_put(char ***env, const char *name, const char *value)
{
	AUTO_FREE char *entry = NULL;

	if (asprintf(&entry, "%s=%s", name, value) < 0) {
		entry = NULL;
		return -ENOMEM;
	}
	return env_set(env, entry);
}

/* What Docker gives a container, then what the image's maker said. */
static int env_of_image(const struct api *api, const char *image, char ***env, struct err *err)
{
	static const char *const docker[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME=kiln",
		"HOME=/home/sandbox",
		"PWD=/sandbox",
	};
	const struct plan_context context = api_plan_context(api);
	AUTO_IMAGE struct image config = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(docker); i++)
		r = env_set(env, docker[i]);
	if (r == 0 && context.image_config && strcmp(image, "host") != 0) {
		r = context.image_config(context.image_user, image, &config, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; r == 0 && config.env && config.env[i]; i++)
		r = strchr(config.env[i], '=') ? env_set(env, config.env[i]) : 0;
	return r < 0 ? err_set(err, r, "plan") : 0;
}

static int env_of_call(const struct dojo_request *request, char ***env, struct err *err)
{
	int r = env_put(env, "CYBER_DOJO_IMAGE_NAME", request->image_name);

	if (r == 0)
		r = env_put(env, "CYBER_DOJO_ID", request->id);
	if (r == 0)
		r = env_put(env, "CYBER_DOJO_SANDBOX", "/sandbox");
	return r < 0 ? err_set(err, r, "plan") : 0;
}

/* `sandbox` of cyber-dojo's images. */
static const struct engine_identity dojo_user = { 41966, 51966 };

static int plan_new(const char *name, const char *image, struct run_plan **ret, struct err *err)
{
	struct run_plan *plan = calloc(1, sizeof(*plan));

	*ret = plan;
	if (!plan)
		return err_set(err, -ENOMEM, "plan");
	plan->steps = calloc(1, sizeof(*plan->steps));
	if (!plan->steps)
		return err_set(err, -ENOMEM, "plan");
	plan->steps_count = 1;
	plan->no_cache = true;
	plan->steps[0].identity = dojo_user;
	plan->steps[0].name = strdup(name);
	plan->steps[0].image = strdup(image);
	return plan->steps[0].name && plan->steps[0].image ? 0 : err_set(err, -ENOMEM, "plan");
}

/* Sanitizers of these images trace, and reserve terabytes. */
static bool is_clang(const char *image_name)
{
	static const char *const begins[] = { "cyberdojofoundation/clang",
					      "ghcr.io/cyber-dojo-languages/clang" };

	for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
		if (strncmp(image_name, begins[i], strlen(begins[i])) == 0)
			return true;
	}
	return false;
}

static void take_files(struct run_plan *plan, struct dojo_request *request)
{
	plan->files = TAKE_PTR(request->files.files);
	plan->files_count = request->files.files_count;
	request->files.files_count = 0;
}

int dojo_plan_run(const struct api *api, struct dojo_request *request, const char *image,
		  struct run_plan **ret, struct err *err)
{
	struct run_plan *plan;
	int r = plan_new("run", image, &plan, err);

	if (r == 0) {
		plan->steps[0].limits = limits_of(api, request->max_seconds * 1000LL);
		plan->steps[0].argv = strv_copy(dojo_script_argv(is_clang(request->image_name)));
		r = plan->steps[0].argv ? 0 : err_set(err, -ENOMEM, "plan");
	}
	if (r == 0)
		r = env_of_image(api, image, &plan->steps[0].envp, err);
	if (r == 0)
		r = env_of_call(request, &plan->steps[0].envp, err);
	if (r < 0) {
		plan_destroy(plan);
		return r;
	}
	plan->collect = COLLECT_ALL;
	plan->collect_odd_names = true;
	plan->collect_file_bytes = DOJO_FILE_BYTES;
	plan->steps[0].drops = true;
	take_files(plan, request);
	*ret = plan;
	return 0;
}
