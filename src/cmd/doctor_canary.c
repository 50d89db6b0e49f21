/*
 * The canary: a shell script in a real sandbox tries what must not succeed, and prints a line for each attempt, "held
 * NAME" or "escaped NAME". A line that is missing counts as a failure, so that a script that could not run proves
 * nothing.
 */
#include "base/cleanup.h"
#include "base/strv.h"
#include "cmd/doctor.h"
#include "run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char secret_name[] = "KILN_DOCTOR_CANARY";

/* $1 is a file of the host with the secret in it. Each must fail; `second` is a wall behind another one. */
static const struct trial {
	const char *name;
	const char *what;
	const char *script;
	bool second;
} trials[] = {
	{ "host_file", "reading a file of the host", "cat \"$1\"" },
	{ "host_passwords", "reading /etc/shadow", "cat /etc/shadow" },
	{ "environment", "seeing kiln's environment", "cat /proc/*/environ | grep -q KILN_DOCTOR_CANARY" },
	{ "system_write", "writing to /usr", "touch /usr/kiln-canary" },
	{ "root_write", "writing to /", "touch /kiln-canary" },
	{ "sysctl_write", "writing to /proc/sys", "echo kiln-canary >/proc/sys/kernel/hostname" },
	{ "root_user", "being root", "test \"$(id -u)\" = 0" },
	{ "new_namespace", "making a user namespace", "unshare -U true" },
	{ "mount", "mounting", "mount -t tmpfs none /tmp" },
	{ "other_processes", "seeing processes of others", "test \"$(ls -d /proc/[0-9]* | wc -l)\" -gt 8" },
	{ "network", "finding a network", "grep -v -e '|' -e '^ *lo:' /proc/net/dev | grep -q ." },
	{ "namespace_limits", "finding namespaces allowed by user.max_*",
	  "test \"$(cat /proc/sys/user/max_user_namespaces)\" != 0", true },
};

struct canary {
	uv_loop_t *loop;
	struct run_result *result;
};

static void canary_done(void *user, struct run_result *result)
{
	struct canary *canary = user;

	canary->result = result;
	uv_stop(canary->loop);
}

/* The whole script. Free it. */
static char *script_make(void)
{
	struct buf script = BUF_INIT(65536);

	for (size_t i = 0; i < ARRAY_LEN(trials); i++) {
		const struct trial *a = &trials[i];

		if (buf_printf(&script,
			       "if ( %s ) >/dev/null 2>&1; then echo escaped %s; else echo held %s; fi\n",
			       a->script, a->name, a->name) < 0) {
			buf_finish(&script);
			return NULL;
		}
	}
	return (char *)buf_take(&script, NULL);
}

static int request_make(const char *secret_path, struct run_request *ret)
{
	AUTO_FREE char *script = script_make();
	const char *const argv[] = { "/bin/sh", "-c", script, "canary", secret_path };
	struct run_step_request *step;

	*ret = (struct run_request){ 0 };
	ret->image = strdup("host");
	ret->steps = step = calloc(1, sizeof(*ret->steps));
	if (!script || !ret->image || !step)
		return -ENOMEM;
	ret->steps_count = 1;
	step->name = strdup("run");
	if (!step->name)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(argv); i++) {
		int r = strv_append(&step->command, argv[i], strlen(argv[i]));

		if (r < 0)
			return r;
	}
	return 0;
}

static int canary_start(struct canary *canary, struct node *node, const struct config *config,
			struct run_request *req, struct run **ret, struct err *err)
{
	static const struct run_events events = { .done = canary_done };
	const struct run_options options = { 0 };
	struct plan_context context;
	struct run_plan *plan;
	int r;

	node_plan_context(node, config, &context);
	r = plan_make(req, &context, &plan, err);
	if (r < 0)
		return r;
	return run_start(node->engine, plan, &options, &events, canary, ret, err);
}

/* True when `text` has the line "word name". */
static bool line_has(const char *text, const char *word, const char *name)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s %s\n", word, name);
	const char *at = text ? strstr(text, line) : NULL;

	return len > 0 && at && (at == text || at[-1] == '\n');
}

/* False when the trial showed that a sandbox leaks: a second wall that is missing is told, but there is the first. */
static bool trial_judge(struct findings *to, const struct trial *trial, const char *said)
{
	bool held = line_has(said, "held", trial->name);
	bool escaped = line_has(said, "escaped", trial->name);

	if (trial->second && escaped)
		finding_add(to, trial->name, FINDING_DEGRADED,
			    "make /proc/sys writable for kiln, or let it mount a new /proc",
			    "%s succeeds: seccomp alone stands against new namespaces", trial->what);
	else
		finding_add(to, trial->name, held ? FINDING_PRESENT : FINDING_MISSING,
			    "do not run other people's code here, and please report it", "%s %s", trial->what,
			    held      ? "fails, as it must"
			    : escaped ? "SUCCEEDS in the sandbox"
				      : "could not be tried");
	return held || (trial->second && escaped);
}

static bool canary_judge(struct findings *to, const struct run_result *result)
{
	const struct step_result *step = result->steps_count > 0 ? &result->steps[0] : NULL;
	bool good = step && step->facts.started;
	bool ran = good;

	if (good)
		finding_add(to, "canary run", FINDING_PRESENT, "", "a sandbox ran a program in %llu ms",
			    (unsigned long long)result->timing.total_us / 1000);
	else
		finding_add(to, "canary run", FINDING_MISSING, "see the lines that are not present", "%s",
			    step && step->error ? step->error : "no program ran in the sandbox");
	for (size_t i = 0; ran && i < ARRAY_LEN(trials); i++)
		good &= trial_judge(to, &trials[i], (const char *)step->out.data);
	return good;
}

static int secret_make(char *path, int *ret_fd)
{
	*ret_fd = mkostemp(path, O_CLOEXEC);
	if (*ret_fd < 0 || write(*ret_fd, secret_name, sizeof(secret_name)) < 0 || fchmod(*ret_fd, 0644) < 0)
		return -errno;
	return 0;
}

bool doctor_canary_run(struct findings *to, struct node *node, uv_loop_t *loop, const struct config *config)
{
	char path[] = "/var/tmp/kiln-canary-XXXXXX";
	struct canary canary = { .loop = loop };
	AUTO_CLOSE int secret_fd = -1;
	struct run_request req = { 0 };
	struct err err = ERR_INIT;
	struct run *run = NULL;
	bool good = false;
	int r;

	r = secret_make(path, &secret_fd);
	if (r >= 0)
		r = request_make(path, &req);
	if (r < 0)
		r = err_set(&err, r, "canary");
	else
		r = canary_start(&canary, node, config, &req, &run, &err);
	if (r >= 0 && !canary.result)
		uv_run(loop, UV_RUN_DEFAULT);
	if (canary.result)
		good = canary_judge(to, canary.result);
	else
		finding_add(to, "canary run", FINDING_MISSING, "see the lines that are not present", "%s",
			    r < 0 ? err.text : "the engine ended without a result");
	run_destroy(run);
	run_result_destroy(canary.result);
	request_finish(&req);
	if (secret_fd >= 0)
		unlink(path);
	return good;
}
