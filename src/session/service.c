/*
 * The services of a session. Each is one step of a SERVICE member that goes on for as long as the session does. It is
 * ready when its readiness command ends with 0: that is run in a member of its own, with the service's image and the
 * session's network, once more after each failure. A service that dies is started again, later and later; one that does
 * not become ready at its first start ends the session, because nobody could work in it.
 */
#include "session/session_priv.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "base/utf8.h"
#include "session/compose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TAIL_BYTES	16384
#define BACKOFF_MS	200
#define BACKOFF_MAX_MS	30000
#define STANDS_MS	250	    /* who lives that long has started, when nothing can be asked */
#define WELL_MS		60000	    /* who lived that long begins again with short pauses */
#define FIRST_FAILURES	5	    /* before it was ever ready */
#define AS_GOOD_AS_NONE (1LL << 40) /* of a limit: years, or a terabyte */

static const char *const state_names[] = {
	[SERVICE_WAITING] = "waiting",
	[SERVICE_STARTING] = "starting",
	[SERVICE_READY] = "ready",
	[SERVICE_DEAD] = "ended",
};

static const struct engine_events service_events, probe_events;

static const struct engine_vtable *vtable(const struct service *service)
{
	return service->session->all->options.engine->v;
}

static void destroy_member(const struct service *service, struct engine_sandbox **sb)
{
	if (*sb)
		vtable(service)->sandbox_destroy(*sb);
	*sb = NULL;
}

/* One command of a service as a step of its image. */
static int plan_command(const struct session *session, const struct service_spec *spec, char **command,
			int64_t wall_ms, struct run_plan **ret, struct err *err)
{
	static char name[] = "service";
	struct run_step_request step = { .name = name, .command = command, .env = spec->env };
	struct run_request request = {
		.image = spec->image, .steps = &step, .steps_count = 1, .limits = spec->limits
	};
	const char *in = spec->composed ? "compose.services" : "services";
	char field[sizeof(err->field)];
	int r;

	request.limits.value[LIMIT_WALL_MS] = wall_ms;
	request.limits.value[LIMIT_CPU_MS] = wall_ms;
	r = plan_make(&request, &session->all->options.plan, ret, err);
	if (r == -EINVAL && err) {
		snprintf(field, sizeof(field), "%s.%s%s%.64s", in, spec->name, err->field[0] ? "." : "",
			 err->field);
		session_refusal_move(err, field);
		if (spec->composed)
			compose_rename(err);
	}
	snprintf(field, sizeof(field), "%s.%s.image", in, spec->name);
	return r < 0 ? r : session_image_check(session, (*ret)->steps[0].image, field, err);
}

int services_plan(struct session *session, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < session->spec.services_count; i++) {
		struct service *service = &session->services[i];
		const struct service_spec *spec = &session->spec.services[i];

		service->session = session;
		service->spec = spec;
		service->at = i;
		service->state = SERVICE_DEAD;
		plan_destroy(service->plan);
		plan_destroy(service->probe_plan);
		service->plan = service->probe_plan = NULL;
		if (service->tail.max == 0)
			service->tail = BUF_INIT(2 * TAIL_BYTES);
		r = plan_command(session, spec, spec->command, LIMIT_UNSET, &service->plan, err);
		if (r == 0 && spec->ready)
			r = plan_command(session, spec, spec->ready, LIMIT_UNSET, &service->probe_plan, err);
		if (r < 0)
			break;
		/* It runs for as long as it likes, and prints as much: only the tail is kept. */
		for (int k = 0; k < LIMIT_COUNT; k++) {
			if (k == LIMIT_WALL_MS || k == LIMIT_CPU_MS || k == LIMIT_OUTPUT_BYTES)
				service->plan->steps[0].limits.value[k] = AS_GOOD_AS_NONE;
		}
		if (service->probe_plan)
			service->probe_plan->steps[0].limits.value[LIMIT_WALL_MS] = spec->timeout_ms;
	}
	return r;
}

bool services_ready(const struct session *session)
{
	for (size_t i = 0; i < session->spec.services_count; i++) {
		if (session->services[i].state != SERVICE_READY)
			return false;
	}
	return true;
}

static void tell(const struct service *service)
{
	session_tell(service->session, "service",
		     json_pack("{s:s, s:s, s:s*}", "service", service->spec->name, "state",
			       state_names[service->state], "reason",
			       service->last_exit[0] ? service->last_exit : NULL));
}

static void tail_add(struct service *service, const uint8_t *data, size_t len)
{
	struct buf *tail = &service->tail;

	if (len > TAIL_BYTES) {
		data += len - TAIL_BYTES;
		len = TAIL_BYTES;
	}
	if (tail->len + len > TAIL_BYTES)
		buf_consume(tail, tail->len + len - TAIL_BYTES < tail->len ? tail->len + len - TAIL_BYTES
									   : tail->len);
	(void)!buf_append(tail, data, len);
}

static void on_timer(uv_timer_t *timer);

static void timer_start(struct service *service, uint64_t ms)
{
	if (!service->timer) {
		service->timer = malloc(sizeof(*service->timer));
		if (!service->timer)
			return; /* the deadline of the session is left */
		uv_timer_init(service->session->all->options.loop, service->timer);
		service->timer->data = service;
	}
	uv_timer_start(service->timer, on_timer, ms, 0);
}

static bool may_start(const struct service *service)
{
	for (char **on = service->spec->depends_on; on && *on; on++) {
		const struct service_spec *spec = session_spec_service(&service->session->spec, *on);

		if (service->session->services[spec - service->session->spec.services].state != SERVICE_READY)
			return false;
	}
	return true;
}

static void service_died(struct service *service, const char *why);

static struct engine_sandbox_spec member_spec(const struct service *service, const struct run_plan *plan,
					      uint32_t number)
{
	return (struct engine_sandbox_spec){
		.image = plan->steps[0].image,
		.limits = plan->steps[0].limits,
		.identity = plan->steps[0].identity,
		.session = service->session->handle,
		.member = ENGINE_MEMBER_SERVICE,
		.service = number,
		.folders = service->spec->tmpfs,
	};
}

static void service_start(struct service *service)
{
	const struct engine_sandbox_spec spec =
		member_spec(service, service->plan, (uint32_t)service->at + 1);
	struct err err = ERR_INIT;

	service->state = SERVICE_STARTING;
	service->started_ms = session_now_ms();
	service->deadline_ms = service->started_ms + (uint64_t)service->spec->start_ms;
	tell(service);
	if (vtable(service)->sandbox_create(service->session->all->options.engine, &spec, &service_events,
					    service, &service->sb, &err) < 0)
		service_died(service, err.text);
}

/* Those that waited for one that is ready now. */
static void start_waiting(struct session *session)
{
	for (size_t i = 0; i < session->spec.services_count; i++) {
		struct service *service = &session->services[i];

		if (service->state == SERVICE_WAITING && !service->sb && service->failures == 0 &&
		    may_start(service))
			service_start(service);
	}
}

static void service_ready(struct service *service)
{
	struct session *session = service->session;

	destroy_member(service, &service->prober);
	service->state = SERVICE_READY;
	service->was_ready = true;
	tell(service);
	start_waiting(session);
	session_look(session);
}

static void probe(struct service *service)
{
	const struct engine_sandbox_spec spec =
		member_spec(service, service->probe_plan, (uint32_t)(service->at + 1 + SERVICES_MAX));

	if (vtable(service)->sandbox_create(service->session->all->options.engine, &spec, &probe_events,
					    service, &service->prober, NULL) < 0)
		timer_start(service, (uint64_t)service->spec->interval_ms);
}

/* What the session says of one that never became ready. */
static void give_up(struct service *service, const char *why)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "service '%s' did not start: %.180s", service->spec->name, why);
	session_end(service->session, SESSION_LOST, reason);
}

static void service_died(struct service *service, const char *why)
{
	uint64_t pause_ms = BACKOFF_MS;

	destroy_member(service, &service->sb);
	destroy_member(service, &service->prober);
	if (session_now_ms() - service->started_ms > WELL_MS)
		service->failures = 0;
	service->failures++;
	service->restarts++;
	snprintf(service->last_exit, sizeof(service->last_exit), "%.150s", why);
	service->state = SERVICE_WAITING;
	tell(service);
	if (!service->was_ready && service->failures >= FIRST_FAILURES) {
		give_up(service, why);
		return;
	}
	for (unsigned i = 1; i < service->failures && pause_ms < BACKOFF_MAX_MS; i++)
		pause_ms *= 2;
	timer_start(service, pause_ms < BACKOFF_MAX_MS ? pause_ms : BACKOFF_MAX_MS);
}

static void on_timer(uv_timer_t *timer)
{
	struct service *service = timer->data;

	if (service->state == SERVICE_WAITING) {
		service_start(service);
		return;
	}
	if (service->state != SERVICE_STARTING)
		return;
	if (!service->probe_plan) {
		service_ready(service);
		return;
	}
	if (session_now_ms() < service->deadline_ms) {
		probe(service);
		return;
	}
	if (service->was_ready)
		service_died(service, "it was not ready in time");
	else
		give_up(service, "it was not ready in time");
}

/* The service's own events. */

static void on_ready(void *user)
{
	struct service *service = user;
	const struct plan_step *plan = &service->plan->steps[0];
	const struct engine_step step = {
		.argv = plan->argv, .envp = plan->envp, .limits = plan->limits, .no_stdin = true
	};
	struct err err = ERR_INIT;

	if (vtable(service)->step_start(service->sb, &step, &err) < 0)
		service_died(service, err.text);
	else
		timer_start(service, service->probe_plan ? (uint64_t)service->spec->interval_ms : STANDS_MS);
}

static void on_output(void *user, int stream, const uint8_t *data, size_t len)
{
	tail_add(user, data, len);
}

static void describe_end(const struct step_facts *facts, const struct err *err, char *text, size_t size)
{
	if (err && (!facts || !facts->started))
		snprintf(text, size, "%.140s", err->text);
	else if (facts->oom_kills > 0)
		snprintf(text, size, "it used up its memory");
	else if (facts->signaled)
		snprintf(text, size, "it was ended by signal %d", facts->signal);
	else
		snprintf(text, size, "it ended with exit code %d", facts->exit_code);
}

static void on_step_ended(void *user, const struct step_facts *facts, const struct err *err)
{
	char why[160];

	describe_end(facts, err, why, sizeof(why));
	service_died(user, why);
}

static void on_failed(void *user, const struct err *err)
{
	service_died(user, err->text);
}

static const struct engine_events service_events = {
	.ready = on_ready,
	.output = on_output,
	.step_ended = on_step_ended,
	.failed = on_failed,
};

/* The prober's. */

static void probe_on_ready(void *user)
{
	struct service *service = user;
	const struct plan_step *plan = &service->probe_plan->steps[0];
	const struct engine_step step = {
		.argv = plan->argv, .envp = plan->envp, .limits = plan->limits, .no_stdin = true
	};

	if (vtable(service)->step_start(service->prober, &step, NULL) == 0)
		return;
	destroy_member(service, &service->prober);
	timer_start(service, (uint64_t)service->spec->interval_ms);
}

static void probe_on_ended(void *user, const struct step_facts *facts, const struct err *err)
{
	struct service *service = user;

	destroy_member(service, &service->prober);
	if (service->state != SERVICE_STARTING)
		return;
	if (facts->started && !facts->signaled && facts->exit_code == 0 && facts->kill == STEP_KILL_NONE)
		service_ready(service);
	else
		timer_start(service, (uint64_t)service->spec->interval_ms);
}

static void probe_on_output(void *user, int stream, const uint8_t *data, size_t len)
{
}

static void probe_on_failed(void *user, const struct err *err)
{
	struct service *service = user;

	destroy_member(service, &service->prober);
	if (service->state == SERVICE_STARTING)
		timer_start(service, (uint64_t)service->spec->interval_ms);
}

static const struct engine_events probe_events = {
	.ready = probe_on_ready,
	.output = probe_on_output,
	.step_ended = probe_on_ended,
	.failed = probe_on_failed,
};

/* One that an earlier front left running is taken for ready, as it was. */
static bool take(struct service *service)
{
	struct session *session = service->session;
	const struct engine_vtable *v = vtable(service);
	struct engine_sandbox *prober;

	if (v->service_take(session->handle, (uint32_t)(service->at + 1 + SERVICES_MAX), &probe_events,
			    service, &prober, NULL) == 0)
		v->sandbox_destroy(prober);
	if (v->service_take(session->handle, (uint32_t)service->at + 1, &service_events, service,
			    &service->sb, NULL) < 0)
		return false;
	service->state = SERVICE_READY;
	service->was_ready = true;
	service->started_ms = session_now_ms();
	return true;
}

int services_begin(struct session *session, bool taken, struct err *err)
{
	for (size_t i = 0; i < session->spec.services_count; i++) {
		struct service *service = &session->services[i];

		service->state = SERVICE_WAITING;
		service->failures = service->restarts = 0;
		service->was_ready = taken; /* a session that was open does not end for it */
		service->last_exit[0] = '\0';
		if (taken)
			(void)take(service);
	}
	start_waiting(session);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void services_end(struct session *session)
{
	for (size_t i = 0; i < session->spec.services_count; i++) {
		struct service *service = &session->services[i];

		if (!service->session)
			continue;
		destroy_member(service, &service->prober);
		destroy_member(service, &service->sb);
		service->state = SERVICE_DEAD;
		if (service->timer)
			uv_close((uv_handle_t *)service->timer, on_closed);
		service->timer = NULL;
	}
}

void services_finish(struct session *session)
{
	services_end(session);
	for (size_t i = 0; i < session->spec.services_count; i++) {
		plan_destroy(session->services[i].plan);
		plan_destroy(session->services[i].probe_plan);
		buf_finish(&session->services[i].tail);
	}
}

static json_t *tail_to_json(const struct service *service, const char **ret_encoding)
{
	const uint8_t *data = service->tail.data;
	size_t len = service->tail.len, from = 0;
	AUTO_FREE char *text = NULL;

	/* It may begin in the middle of a character. */
	while (from < len && from < 4 && (data[from] & 0xc0) == 0x80)
		from++;
	*ret_encoding = "utf-8";
	if (len == 0)
		return json_string("");
	if (utf8_valid(data + from, len - from))
		return json_stringn((const char *)data + from, len - from);
	*ret_encoding = "base64";
	text = base64_encode(data, len, &len);
	return text ? json_stringn(text, len) : NULL;
}

static json_t *service_to_json(const struct service *service)
{
	const char *encoding;
	json_t *tail = tail_to_json(service, &encoding);

	return json_pack("{s:s, s:s, s:i, s:s*, s:o, s:s}", "image", service->spec->image, "state",
			 state_names[service->state], "restarts", (int)service->restarts, "last_exit",
			 service->last_exit[0] ? service->last_exit : NULL, "output", tail, "output_encoding",
			 encoding);
}

json_t *services_to_json(const struct session *session)
{
	json_t *all = json_object();

	for (size_t i = 0; all && i < session->spec.services_count; i++) {
		const struct service *service = &session->services[i];

		if (service->session &&
		    json_object_set_new(all, service->spec->name, service_to_json(service)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}
