/*
 * The daemon: whether it is there, what it can do, and what an earlier keeper left with it.
 *
 * A tick a second. While the daemon is away, and now and then while it is not, it is pinged; an answer after
 * silence begins with what it is (ping for the version, info), goes on with the removal of containers that are
 * ours and that nobody knows any more, and ends with the images. Only then are containers made. Any call that
 * fails as a dying daemon's would has the next tick look at once.
 */
#include "engine/docker/names.h"
#include "engine/docker/sessions.h"
#include "engine/docker/spec.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TICK_MS	       1000
#define SWEEP_MS       15000 /* what a dead keeper's last request made may come late */
#define QUIET_MS       5000  /* without an answer it is asked */
#define PING_MS	       10000
#define IGNORES_GROUPS "ignore-cgroups" /* of runsc */
#define HELLO_MS       2000		/* that the front waits for it at its start */
#define HELLO_CALL_MS  5000u		/* for one question on the way up, at first */
#define VERSION_MAJOR  1
#define VERSION_OLD    40 /* Docker 19.03, of which all that is used here is */
#define VERSION_NEW    43

static void down(struct docker *d, const char *why)
{
	bool was_up = d->host.up || !d->asked_once;

	d->host.up = false;
	d->doubted = false;
	daemon_call_forget(d->call);
	d->call = NULL;
	snprintf(d->host.why, sizeof(d->host.why), "%s", why);
	d->asked_once = true;
	d->daemon.version[0] = '\0';
	place_give_up(d);
	names_give_up(d);
	images_give_up(d);
	if (was_up)
		front_tell_host(d, -1);
	slots_give_up_calls(d, why);
	slots_refuse_queued(d, why);
}

/*
 * A question on the way up. One that is lost must not cost a minute: it is soon asked again, each time with twice the
 * patience, for a daemon may be slow.
 */
static void begin(struct docker *d, const char *path, daemon_fn done)
{
	uint32_t patience_ms = HELLO_CALL_MS << d->hello_failures;
	const struct daemon_request request = {
		.method = "GET",
		.path = path,
		.timeout_ms = patience_ms < CALL_MS ? patience_ms : CALL_MS,
		.answer_max = LARGE_ANSWER,
	};
	struct err err = ERR_INIT;

	d->call = daemon_call(&d->daemon, &request, done, d, &err);
	if (!d->call)
		down(d, err.text);
}

static void on_hello_lost(struct docker *d, const struct daemon_answer *answer)
{
	if (HELLO_CALL_MS << d->hello_failures < CALL_MS)
		d->hello_failures++;
	down(d, answer->text);
}

/* ---- what was left behind ---- */

static void on_stray_removed(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;

	d->removing--;
	if (!daemon_succeeded(answer) && answer->status != 404 && answer->status != 409)
		host_doubt(d, answer);
}

/* As sessions.c makes them. */
static bool is_volume_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	return len > 0 && len <= VOLUME_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

void host_remove(struct docker *d, const char *id)
{
	char path[CONTAINER_ID_MAX + 64];

	snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", id);
	if (docker_call(d, "DELETE", path, NULL, on_stray_removed, d))
		d->removing++;
}

/* Ours, whatever its state; or one of any kiln that has ended and that its own would have removed long ago. */
static bool is_left_behind(const struct docker *d, const json_t *container)
{
	const char *owner =
		json_string_value(json_object_get(json_object_get(container, "Labels"), OWNER_LABEL));
	const char *state = json_string_value(json_object_get(container, "State"));

	return owner && (strcmp(owner, d->owner) == 0 ||
			 (state && (strcmp(state, "exited") == 0 || strcmp(state, "dead") == 0)));
}

static void remove_strays(struct docker *d, const struct daemon_answer *answer)
{
	json_t *container;
	size_t i;

	json_array_foreach(answer->json, i, container)
	{
		const char *id = json_string_value(json_object_get(container, "Id"));

		if (!container_id_valid(id) || slot_has_container(d, id) || strcmp(d->helper, id) == 0 ||
		    names_has_container(d, id) || !is_left_behind(d, container))
			continue;
		host_remove(d, id);
		/* Later it is one of this keeper's own that was lost, or that could not be removed before. */
		d->host.leftovers += !d->host.was_up;
	}
}

/* Empty ones, of sessions whose holder has gone with an earlier keeper. */
static void on_volumes(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	char path[VOLUME_NAME_MAX + 32];
	json_t *volume;
	size_t i;

	d->call = NULL;
	if (!daemon_succeeded(answer)) {
		host_doubt(d, answer);
		return;
	}
	d->heard_ms = uv_now(&d->loop);
	json_array_foreach(json_object_get(answer->json, "Volumes"), i, volume)
	{
		const json_t *labels = json_object_get(volume, "Labels");
		const char *name = json_string_value(json_object_get(volume, "Name"));
		const char *owner = json_string_value(json_object_get(labels, OWNER_LABEL));

		if (!owner || strcmp(owner, d->owner) != 0 || !is_volume_name(name) ||
		    docker_session_has_volume(d, name) || names_has_volume(d, name))
			continue;
		snprintf(path, sizeof(path), "/volumes/%s", name);
		if (docker_call(d, "DELETE", path, NULL, on_stray_removed, d))
			d->removing++;
	}
}

/* {"label":["kiln.session"]} */
void host_sweep_volumes(struct docker *d)
{
	if (d->call || !d->host.up)
		return;
	d->volumes_due = false;
	d->call = docker_call(d, "GET", "/volumes?filters=%7B%22label%22%3A%5B%22" SESSION_LABEL "%22%5D%7D",
			      NULL, on_volumes, d);
}

static void on_listed(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;

	d->call = NULL;
	d->swept_ms = uv_now(&d->loop);
	if (answer->error) {
		/* Up it is all the same, unless a ping says otherwise. */
		if (d->host.up)
			host_doubt(d, answer);
		else
			on_hello_lost(d, answer);
		return;
	}
	d->heard_ms = uv_now(&d->loop);
	d->hello_failures = 0;
	/*
	 * What is being made at this moment may be in the list, and not yet be known by its id. A daemon that has no
	 * list, as Podman's where a crash left half of a container, may be good for all else.
	 */
	if (daemon_succeeded(answer) && !d->making && d->placed != PLACING && !names_busy(d))
		remove_strays(d, answer);
	d->volumes_due = true;
	if (d->host.up)
		return;
	d->host.up = d->host.was_up = true;
	images_look(d);
	slots_advance(d);
	/* Before the images are known there is nothing to run, so who waits for HELLO waits for them. */
	if (d->asked_once)
		front_tell_host(d, -1);
}

/* {"label":["kiln.owner"]} */
#define OURS "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22" OWNER_LABEL "%22%5D%7D"

void host_sweep(struct docker *d)
{
	if (!d->call && d->host.up)
		d->call = docker_call(d, "GET", OURS, NULL, on_listed, d);
}

/* ---- what it is ---- */

static bool has_security(const json_t *info, const char *name)
{
	json_t *option;
	size_t i;

	json_array_foreach(json_object_get(info, "SecurityOptions"), i, option)
	{
		const char *text = json_string_value(option);

		if (text && strstr(text, name))
			return true;
	}
	return false;
}

/* Absent is as good as false. */
static bool is_set(const json_t *info, const char *name)
{
	return json_is_true(json_object_get(info, name));
}

bool host_is_sentry(const struct docker *d, const char *runtime)
{
	if (!runtime || !runtime[0])
		runtime = d->host.runtime;
	return strstr(runtime, "runsc") || strstr(runtime, "gvisor");
}

bool host_ignores_groups(const struct docker *d, const char *runtime)
{
	const json_t *arguments, *argument;
	size_t i;

	if (!host_is_sentry(d, runtime))
		return false;
	arguments = json_object_get(
		json_object_get(d->host.runtimes, runtime && runtime[0] ? runtime : d->host.runtime),
		"runtimeArgs");
	json_array_foreach(arguments, i, argument)
	{
		const char *text = json_string_value(argument);

		/* One dash or two, with a value that is as good as none. */
		text = text && text[0] == '-' ? text + 1 + (text[1] == '-') : "";
		if (strcmp(text, IGNORES_GROUPS) == 0 || strcmp(text, IGNORES_GROUPS "=true") == 0)
			return true;
	}
	return false;
}

/* Limits are told of for all sandboxes alike: so the weakest of the runtimes counts. */
static bool any_runtime(const struct docker *d, bool (*is)(const struct docker *d, const char *runtime))
{
	struct engine_choice choice;

	for (char *const *rule = d->options->rules; rule && *rule; rule++) {
		if (engine_rule_read(*rule, &choice) && choice.runtime && is(d, choice.runtime))
			return true;
	}
	return is(d, d->options->runtime);
}

static void on_info(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	const char *version, *runtime;

	d->call = NULL;
	if (!daemon_succeeded(answer)) {
		on_hello_lost(d, answer);
		return;
	}
	version = json_string_value(json_object_get(answer->json, "CgroupVersion"));
	d->host.memory = is_set(answer->json, "MemoryLimit");
	d->host.swap = is_set(answer->json, "SwapLimit");
	d->host.cpu = is_set(answer->json, "CpuCfsQuota") || is_set(answer->json, "CPUCfsQuota");
	d->host.pids = is_set(answer->json, "PidsLimit");
	d->host.cgroup_version = version && version[0] == '2' ? 2 : 1;
	d->host.mapped =
		has_security(answer->json, "name=userns") || has_security(answer->json, "name=rootless");
	runtime = json_string_value(json_object_get(answer->json, "DefaultRuntime"));
	snprintf(d->host.runtime, sizeof(d->host.runtime), "%s", runtime ? runtime : "");
	json_decref(d->host.runtimes);
	d->host.runtimes = json_incref(json_object_get(answer->json, "Runtimes"));
	begin(d, OURS, on_listed);
}

/* The newest version that both know, or -EPROTO. */
static int agree(struct docker *d, const char *theirs)
{
	unsigned major = 0, minor = 0;

	if (sscanf(theirs, "%u.%u", &major, &minor) != 2 || major != VERSION_MAJOR || minor < VERSION_OLD)
		return -EPROTO;
	snprintf(d->daemon.version, sizeof(d->daemon.version), "/v%u.%u", VERSION_MAJOR,
		 minor < VERSION_NEW ? minor : VERSION_NEW);
	return 0;
}

static void on_ping(void *user, const struct daemon_answer *answer)
{
	struct docker *d = user;
	char why[KEEPER_STAGE_SIZE];

	d->ping = NULL;
	d->doubted = false;
	if (!daemon_succeeded(answer)) {
		down(d, answer->text);
		return;
	}
	d->heard_ms = uv_now(&d->loop);
	if (d->host.up)
		return;
	if (agree(d, answer->api_version) < 0) {
		snprintf(why, sizeof(why),
			 "the daemon speaks version '%s' of the Docker Engine API, not %d.%d or later",
			 answer->api_version, VERSION_MAJOR, VERSION_OLD);
		down(d, why);
		return;
	}
	d->host.podman = answer->podman;
	begin(d, "/info", on_info);
}

static void ping(struct docker *d)
{
	const struct daemon_request request = {
		.method = "GET",
		.path = "/_ping",
		.timeout_ms = PING_MS,
		.answer_max = SMALL_ANSWER,
		.unversioned = true,
	};
	struct err err = ERR_INIT;

	d->ping = daemon_call(&d->daemon, &request, on_ping, d, &err);
	if (!d->ping)
		down(d, err.text);
}

/* The front begins without a daemon that takes its time, and hears of it later. */
static void greet_early(struct docker *d)
{
	if (!d->host.up && !d->host.why[0])
		snprintf(d->host.why, sizeof(d->host.why), "the daemon has not answered yet");
	front_tell_host(d, -1);
}

static void on_tick(uv_timer_t *timer)
{
	struct docker *d = timer->data;
	uint64_t quiet_ms = uv_now(&d->loop) - d->heard_ms;

	if (d->hello_wanted && uv_now(&d->loop) - d->hello_ms >= HELLO_MS)
		greet_early(d);
	docker_sessions_tick(d);
	if (d->ping || d->ending)
		return;
	if (d->host.up ? d->doubted || quiet_ms >= QUIET_MS : !d->call)
		ping(d);
	else if (!d->call && d->volumes_due && !d->removing)
		host_sweep_volumes(d);
	else if (uv_now(&d->loop) - d->swept_ms >= SWEEP_MS)
		host_sweep(d);
	if (d->host.up && quiet_ms >= QUIET_MS)
		images_look(d);
}

void host_doubt(struct docker *d, const struct daemon_answer *answer)
{
	if (answer->error == 0 || d->doubted || d->ending)
		return;
	d->doubted = true;
	/* Nobody there is no doubt any more: what waits is not kept waiting for a tick. */
	if (answer->error == -ECONNREFUSED && d->host.up)
		down(d, answer->text);
}

bool host_is_silent(const struct docker *d)
{
	return !d->host.up || uv_now(&d->loop) - d->daemon.alive_ms > QUIET_MS + 2 * TICK_MS;
}

void host_hello(const struct docker *d, struct keeper_hello *ret)
{
	const struct docker_host *host = &d->host;
	bool sentry = any_runtime(d, host_is_sentry), groups = !any_runtime(d, host_ignores_groups);

	*ret = (struct keeper_hello){
		.version = KEEPER_VERSION,
		.slots = d->sandboxes_count,
		.sessions = d->sessions_count,
		.sessions_open = docker_sessions_open(d),
		.privileged = !host->mapped,
		.cgroup_version = (uint8_t)host->cgroup_version,
		.memory = host->memory && groups,
		.cpu = host->cpu && groups,
		.pids = host->pids && !sentry,
		/* Counted for init by the groups, which nothing in a container can touch; gVisor has none to count. */
		.cpu_time = !sentry,
		.swap_limited = host->swap,
		.separate_uids = 1,
		.overlay = 1,
		.contained = 1,
		.leftovers = host->leftovers,
		.lost = d->lost,
	};
}

void host_begin(struct docker *d)
{
	uv_timer_init(&d->loop, &d->tick);
	d->tick.data = d;
	d->handles++;
	uv_timer_start(&d->tick, on_tick, 0, TICK_MS);
}

static void on_tick_closed(uv_handle_t *handle)
{
	((struct docker *)handle->data)->handles--;
}

void host_end(struct docker *d)
{
	daemon_call_forget(d->call);
	daemon_call_forget(d->ping);
	d->call = d->ping = NULL;
	json_decref(d->host.runtimes);
	d->host.runtimes = NULL;
	uv_close((uv_handle_t *)&d->tick, on_tick_closed);
}
