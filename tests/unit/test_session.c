#include "api_fixture.h"

#include "session/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAKE  "{\"id\":\"dojo\",\"image\":\"host\",\"ttl_ms\":60000}"
#define LION  "{\"name\":\"lion\"}"
#define AT(x) "/v1/sessions/dojo" x

static const char *text_at(const struct answer *answer, const char *name)
{
	return json_string_value(json_object_get(answer->json, name)) ?: "";
}

static const char *code(const struct answer *answer)
{
	return json_string_value(json_object_get(json_object_get(answer->json, "error"), "code")) ?: "";
}

static const char *field(const struct answer *answer)
{
	return json_string_value(json_object_get(json_object_get(answer->json, "error"), "field")) ?: "";
}

static struct answer *post(struct fixture *f, const char *path, const char *body)
{
	return api_fixture_call(f, "POST", path, body);
}

static struct answer *get(struct fixture *f, const char *path)
{
	return api_fixture_call(f, "GET", path, NULL);
}

static void assert_state(struct fixture *f, const char *state)
{
	assert_string_equal(text_at(get(f, AT("")), "state"), state);
}

static void open_dojo(struct fixture *f)
{
	assert_int_equal(post(f, "/v1/sessions", MAKE)->status, 201);
	assert_int_equal(post(f, AT("/users"), LION)->status, 201);
}

static json_t *files_of(const struct answer *answer, const char *change)
{
	return json_object_get(json_object_get(answer->json, "files"), change);
}

static const char *content_of(const struct answer *answer, const char *change, const char *name)
{
	return json_string_value(json_object_get(json_object_get(files_of(answer, change), name), "content"))
		       ?: "";
}

/* What the copy has of a user's file. */
static const char *kept(struct fixture *f, const char *name)
{
	struct answer *a = get(f, AT("/users/lion/files"));

	assert_int_equal(a->status, 200);
	return json_string_value(
		       json_object_get(json_object_get(json_object_get(a->json, "files"), name), "content"))
		       ?: "";
}

#define COMPOSED(words)                                                                                      \
	"{\"image\":\"host\",\"compose\":\"services: {db: {image: host, command: a, " words "}}\"}"
#define HANG		  "{\"user\":\"lion\",\"command\":[\"hang\"]}"
#define WRITE(name, text) "{\"user\":\"lion\",\"command\":[\"write\",\"" name "\",\"" text "\"]}"

static void makes_one_and_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	struct answer *a = post(f, "/v1/sessions", MAKE);

	assert_int_equal(a->status, 201);
	assert_string_equal(text_at(a, "id"), "dojo");
	assert_string_equal(text_at(a, "state"), "open");
	a = get(f, AT(""));
	assert_int_equal(a->status, 200);
	assert_true(json_integer_value(json_object_get(a->json, "ttl_left_ms")) > 50000);
	assert_non_null(json_object_get(a->json, "resources"));
	assert_string_equal(json_string_value(json_array_get(json_object_get(a->json, "unenforced"), 0)),
			    "memory_bytes");
	assert_int_equal(json_array_size(json_object_get(a->json, "unenforced")), 1);
	a = get(f, "/v1/sessions");
	assert_int_equal(json_array_size(json_object_get(a->json, "sessions")), 1);
}

static void refuses_what_is_wrong_and_names_the_field(void **state)
{
	static const struct {
		const char *body;
		unsigned status;
		const char *code, *field;
	} cases[] = {
		{ "{\"image\":\"host\",\"ttl\":1}", 400, "unknown_field", "ttl" },
		{ "{\"ttl_ms\":1}", 400, "missing_field", "language" },
		{ "{\"image\":\"host\",\"language\":\"fake\",\"ttl_ms\":1}", 400, "conflict", "image" },
		{ "{\"image\":\"nosuch\",\"ttl_ms\":1}", 404, "image_unknown", "image" },
		{ "{\"language\":\"nosuch\",\"ttl_ms\":1}", 404, "language_unknown", "language" },
		{ "{\"image\":\"host\",\"ttl_ms\":99999999999}", 422, "limit_too_high", "ttl_ms" },
		{ "{\"image\":\"host\",\"ttl_ms\":0}", 422, "limit_too_low", "ttl_ms" },
		{ "{\"image\":\"host\",\"ttl_ms\":1,\"id\":\"../x\"}", 400, "bad_name", "id" },
		{ "{\"image\":\"host\",\"limits\":{\"wall_ms\":999999999}}", 422, "limit_too_high",
		  "limits.wall_ms" },
		{ "{\"image\":\"host\",\"services\":{\"db\":{\"image\":\"nosuch\",\"command\":[\"x\"]}}}",
		  404, "image_unknown", "services.db.image" },
		{ "{\"image\":\"host\",\"services\":{\"db\":{\"image\":\"host\"}}}", 400, "missing_field",
		  "services.db.command" },
		{ "{\"image\":\"host\",\"compose\":\"services:\\n  db:\\n    image: host\\n    command: x\\n"
		  "    ports: [1]\\n\"}",
		  422, "not_supported", "compose.services.db.ports" },
		{ COMPOSED("mem_limit: 64"), 422, "limit_too_low", "compose.services.db.mem_limit" },
		{ COMPOSED("mem_limit: 99999g"), 422, "limit_too_high", "compose.services.db.mem_limit" },
		{ COMPOSED("environment: {'A B': x}"), 400, "bad_name",
		  "compose.services.db.environment.A B" },
		{ COMPOSED("healthcheck: {test: [CMD, '']}"), 400, "bad_value",
		  "compose.services.db.healthcheck.test" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer *a = post(f, "/v1/sessions", cases[i].body);

		assert_int_equal(a->status, cases[i].status);
		assert_string_equal(code(a), cases[i].code);
		assert_string_equal(field(a), cases[i].field);
	}
	assert_int_equal(json_array_size(json_object_get(get(f, "/v1/sessions")->json, "sessions")), 0);
}

static void a_name_is_taken_once_and_by_one_tenant(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(post(f, "/v1/sessions", MAKE)->status, 409);
	f->token = "token-of-b";
	assert_int_equal(get(f, AT(""))->status, 404);
	assert_int_equal(api_fixture_call(f, "DELETE", AT(""), NULL)->status, 404);
	assert_int_equal(json_array_size(json_object_get(get(f, "/v1/sessions")->json, "sessions")), 0);
	assert_int_equal(post(f, "/v1/sessions", MAKE)->status, 201);
	assert_int_equal(get(f, AT("/users/lion"))->status, 404);
}

static void a_tenant_has_so_many_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	assert_int_equal(post(f, "/v1/sessions", "{\"image\":\"host\",\"ttl_ms\":1000}")->status, 201);
	assert_int_equal(post(f, "/v1/sessions", MAKE)->status, 201);
	a = post(f, "/v1/sessions", "{\"image\":\"host\",\"ttl_ms\":1000}");
	assert_int_equal(a->status, 429);
	assert_string_equal(code(a), "too_many_sessions");
	assert_non_null(strstr(a->text, "Retry-After: "));
	f->token = "token-of-b";
	assert_int_equal(post(f, "/v1/sessions", MAKE)->status, 201);
	f->token = "token-of-a";
	assert_int_equal(post(f, AT("/finish"), NULL)->status, 200);
	assert_int_equal(post(f, "/v1/sessions", "{\"image\":\"host\",\"ttl_ms\":1000}")->status, 201);
}

static void a_tenant_has_so_much_memory_and_no_more(void **state)
{
	struct fixture *f = *state;

	f->config.sessions_memory_bytes = 1 << 20;
	api_fixture_restart(f, true);
	assert_string_equal(code(post(f, "/v1/sessions", MAKE)), "sessions_memory_exhausted");
}

static void a_run_finds_what_the_last_one_left(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	open_dojo(f);
	a = post(f, AT("/runs"), WRITE("a.txt", "one"));
	assert_int_equal(a->status, 200);
	assert_string_equal(content_of(a, "created", "a.txt"), "one");
	a = post(f, AT("/runs"), "{\"user\":\"lion\",\"command\":[\"show\",\"a.txt\"]}");
	assert_non_null(strstr(a->text, "\"stdout\":\"one\""));
	assert_int_equal(json_object_size(files_of(a, "created")), 0);
	a = post(f, AT("/runs"), WRITE("a.txt", "two"));
	assert_string_equal(content_of(a, "changed", "a.txt"), "two");
	a = post(f, AT("/runs"), "{\"user\":\"lion\",\"command\":[\"remove\",\"a.txt\"]}");
	assert_string_equal(json_string_value(json_array_get(files_of(a, "deleted"), 0)), "a.txt");
}

static void writes_and_deletes_before_a_run(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("old", "x"))->status, 200);
	assert_int_equal(post(f, AT("/runs"),
			      "{\"user\":\"lion\",\"files\":{\"new\":\"y\"},\"delete\":[\"old\"],"
			      "\"command\":[\"true\"]}")
				 ->status,
			 200);
	assert_string_equal(kept(f, "new"), "y");
	assert_string_equal(kept(f, "old"), "");
}

static void a_language_finds_the_files_that_are_there(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	assert_int_equal(
		post(f, "/v1/sessions", "{\"id\":\"dojo\",\"language\":\"fake\",\"ttl_ms\":60000}")->status,
		201);
	assert_int_equal(
		post(f, AT("/users"), "{\"name\":\"lion\",\"files\":{\"main.fk\":\"hello\"}}")->status, 201);
	assert_int_equal(get(f, AT("/users/lion/files"))->status, 200);
	a = post(f, AT("/runs"), "{\"user\":\"lion\"}");
	assert_int_equal(a->status, 200);
	assert_non_null(strstr(a->text, "\"stdout\":\"hello\""));
}

static void refuses_runs_that_cannot_be(void **state)
{
	static const struct {
		const char *body;
		unsigned status;
		const char *code, *field;
	} cases[] = {
		{ "{\"command\":[\"true\"]}", 400, "missing_field", "user" },
		{ "{\"user\":\"tiger\",\"command\":[\"true\"]}", 404, "user_unknown", "user" },
		{ "{\"user\":\"lion\"}", 400, "missing_field", "steps" },
		{ "{\"user\":\"lion\",\"command\":[]}", 400, "bad_value", "command" },
		{ "{\"user\":\"lion\",\"image\":\"host\",\"command\":[\"true\"]}", 400, "unknown_field",
		  "image" },
		{ "{\"user\":\"lion\",\"command\":[\"true\"],\"steps\":[{\"name\":\"a\",\"command\":[\"b\"]}]"
		  "}",
		  400, "conflict", "steps" },
		{ "{\"user\":\"lion\",\"steps\":[{\"name\":\"a\",\"command\":[\"b\"],\"image\":\"host\"}]}",
		  422, "not_supported", "steps[0].image" },
		{ "{\"user\":\"lion\",\"delete\":[\"../x\"],\"command\":[\"true\"]}", 400, "bad_name",
		  "delete[0]" },
		{ "{\"user\":\"lion\",\"command\":[\"true\"],\"limits\":{\"wall_ms\":999999999}}", 422,
		  "limit_too_high", "limits.wall_ms" },
	};
	struct fixture *f = *state;

	open_dojo(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer *a = post(f, AT("/runs"), cases[i].body);

		assert_int_equal(a->status, cases[i].status);
		assert_string_equal(code(a), cases[i].code);
		assert_string_equal(field(a), cases[i].field);
	}
}

static void a_file_that_cannot_be_there_is_the_users_own_fault(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	open_dojo(f);
	engine_fake_fail(f->engine, FAKE_UPLOAD_REFUSED, 1, -EISDIR);
	a = post(f, AT("/runs"), "{\"user\":\"lion\",\"files\":{\"a\":\"b\"},\"command\":[\"show\",\"a\"]}");
	assert_int_equal(a->status, 200);
	assert_string_equal(text_at(a, "outcome"), "failed");
	assert_non_null(strstr(a->text, "\"exit_code\":126"));
}

static void users_come_and_go(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(post(f, AT("/users"), LION)->status, 409);
	assert_int_equal(post(f, AT("/users"), "{\"name\":\"Root\"}")->status, 400);
	assert_int_equal(post(f, AT("/users"), "{\"name\":\"shared\"}")->status, 400);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	assert_int_equal(api_fixture_call(f, "DELETE", AT("/users/lion"), NULL)->status, 204);
	assert_int_equal(get(f, AT("/users/lion"))->status, 404);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 404);
	/* The name may come again: as somebody else, with nothing of the old one's. */
	assert_int_equal(post(f, AT("/users"), LION)->status, 201);
	assert_int_equal(json_integer_value(json_object_get(get(f, AT("/users/lion"))->json, "number")), 2);
	assert_string_equal(kept(f, "a"), "");
}

static void one_user_runs_once_at_a_time_and_others_beside(void **state)
{
	struct fixture *f = *state;
	struct client *first, *second;

	open_dojo(f);
	assert_int_equal(post(f, AT("/users"), "{\"name\":\"tiger\"}")->status, 201);
	first = api_fixture_send(f, "POST", AT("/runs"), "application/json", HANG, strlen(HANG));
	api_fixture_until_open(f, 1);
	second = api_fixture_send(f, "POST", AT("/runs"), "application/json", WRITE("a", "b"),
				  strlen(WRITE("a", "b")));
	api_fixture_until_open(f, 2);
	/* The tiger is not held up by the two lions. */
	assert_int_equal(post(f, AT("/runs"), "{\"user\":\"tiger\",\"command\":[\"true\"]}")->status, 200);
	assert_int_equal(engine_fake_counts(f->engine).steps, 2);
	api_fixture_hang_up(f, first);
	assert_int_equal(api_fixture_wait(f, second)->status, 200);
}

/* A run that was killed is a run, and says why. */
static void is_cancelled(const struct answer *a)
{
	assert_int_equal(a->status, 200);
	assert_string_equal(text_at(a, "outcome"), "cancelled");
	assert_non_null(strstr(a->text, "\"error\":\"session 'dojo' "));
}

static void finish_keeps_the_files_and_runs_nothing_more(void **state)
{
	struct fixture *f = *state;
	struct client *running;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	running = api_fixture_send(f, "POST", AT("/runs"), "application/json", HANG, strlen(HANG));
	api_fixture_until_open(f, 1);
	assert_string_equal(text_at(post(f, AT("/finish"), NULL), "state"), "finished");
	is_cancelled(api_fixture_wait(f, running));
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "c"))->status, 409);
	assert_int_equal(post(f, AT("/users"), "{\"name\":\"tiger\"}")->status, 409);
	assert_string_equal(kept(f, "a"), "b");
	assert_int_equal(post(f, AT("/finish"), NULL)->status, 200);
}

static void a_fork_has_the_files_and_goes_its_own_way(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	a = post(f, AT("/fork"), "{\"id\":\"two\"}");
	assert_int_equal(a->status, 201);
	assert_string_equal(text_at(a, "id"), "two");
	assert_int_equal(post(f, "/v1/sessions/two/runs", WRITE("a", "c"))->status, 200);
	assert_string_equal(kept(f, "a"), "b");
	a = get(f, "/v1/sessions/two/users/lion/files");
	assert_non_null(strstr(a->text, "\"content\":\"c\""));
	assert_int_equal(post(f, AT("/fork"), "{\"id\":\"two\"}")->status, 409);
	assert_int_equal(post(f, AT("/fork"), "{\"user\":\"tiger\"}")->status, 404);
}

static json_t *past(struct fixture *f, const char *path)
{
	return get(f, path)->json;
}

static const char *past_file(json_t *whole, const char *name)
{
	return json_string_value(
		       json_object_get(json_object_get(json_object_get(whole, "files"), name), "content"))
		       ?: "";
}

static void a_run_of_the_past_is_told_with_what_it_left(void **state)
{
	struct fixture *f = *state;
	json_t *whole;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "one"))->status, 200);
	assert_int_equal(post(f, AT("/runs"),
			      "{\"user\":\"lion\",\"files\":{\"b\":\"given\"},\"command\":[\"show\",\"a\"]}")
				 ->status,
			 200);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "two"))->status, 200);
	whole = past(f, AT("/runs/1"));
	assert_string_equal(past_file(whole, "a"), "one");
	assert_string_equal(past_file(whole, "b"), "");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(whole, "run"), "number")), 1);
	whole = past(f, AT("/runs/2"));
	assert_string_equal(past_file(whole, "a"), "one");
	assert_string_equal(past_file(whole, "b"), "given");
	assert_non_null(strstr(get(f, AT("/runs/2"))->text, "\"stdout\":\"one\""));
	whole = past(f, AT("/runs/3"));
	assert_string_equal(past_file(whole, "a"), "two");
	assert_string_equal(past_file(whole, "b"), "given");
	assert_int_equal(get(f, AT("/runs/4"))->status, 404);
	assert_string_equal(code(get(f, AT("/runs/0"))), "run_unknown");
	assert_int_equal(get(f, AT("/runs/x"))->status, 400);
	api_fixture_restart(f, false);
	assert_string_equal(past_file(past(f, AT("/runs/1")), "a"), "one");
}

static void what_a_run_was_given_is_in_the_copy_at_its_end(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(
		post(f, AT("/runs"), "{\"user\":\"lion\",\"files\":{\"b\":\"given\"},\"command\":[\"true\"]}")
			->status,
		200);
	/* Lost before anybody looked. */
	api_fixture_lose(f);
	assert_string_equal(kept(f, "b"), "given");
}

static void a_fork_of_a_run_has_what_it_left(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(post(f, AT("/users"), "{\"name\":\"tiger\"}")->status, 201);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "one"))->status, 200);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "two"))->status, 200);
	assert_int_equal(post(f, AT("/fork"), "{\"id\":\"two\",\"run\":1}")->status, 201);
	assert_non_null(strstr(get(f, "/v1/sessions/two/users/lion/files")->text, "\"content\":\"one\""));
	assert_int_equal(get(f, "/v1/sessions/two/users/tiger")->status, 404);
	assert_non_null(strstr(
		post(f, "/v1/sessions/two/runs", "{\"user\":\"lion\",\"command\":[\"show\",\"a\"]}")->text,
		"\"stdout\":\"one\""));
	assert_string_equal(field(post(f, AT("/fork"), "{\"user\":\"lion\",\"run\":1}")), "run");
	assert_string_equal(code(post(f, AT("/fork"), "{\"run\":9}")), "run_unknown");
	assert_int_equal(post(f, AT("/fork"), "{\"run\":0}")->status, 422);
	assert_int_equal(api_fixture_call(f, "DELETE", AT("/users/lion"), NULL)->status, 204);
	assert_string_equal(code(post(f, AT("/fork"), "{\"run\":1}")), "user_unknown");
}

static void a_detached_run_goes_on_without_its_client(void **state)
{
	static const char detached[] = "{\"user\":\"lion\",\"detached\":true,\"command\":[\"hang\"],"
				       "\"limits\":{\"wall_ms\":300}}";
	struct fixture *f = *state;
	struct client *client;

	open_dojo(f);
	client = api_fixture_send(f, "POST", AT("/runs"), "application/json", detached, strlen(detached));
	api_fixture_until_open(f, 1);
	api_fixture_hang_up(f, client);
	assert_int_equal(
		post(f, AT("/runs"), "{\"user\":\"lion\",\"detached\":1,\"command\":[\"true\"]}")->status,
		400);
	/* It is the lion's turn as long as it runs. */
	assert_true(json_is_true(json_object_get(get(f, AT("/users/lion"))->json, "running")));
	assert_int_equal(api_runs_open(f->api), 1);
	/* Nobody's any more, it ends with the session. */
	assert_int_equal(post(f, AT("/finish"), NULL)->status, 200);
	assert_int_equal(api_runs_open(f->api), 0);
}

static int note_key(void *user, const struct store_session *session)
{
	memset(user, 0, ENGINE_SESSION_ID_SIZE);
	memcpy(user, session->key, strlen(session->key));
	return 0;
}

static void expire(struct fixture *f)
{
	uint8_t id[ENGINE_SESSION_ID_SIZE];

	assert_int_equal(session_store_each(f->store, note_key, id, NULL), 0);
	engine_fake_expire(f->engine, id);
	while (strcmp(text_at(get(f, AT("")), "state"), "expired") != 0)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void one_that_expired_can_be_read_and_opened_again(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	expire(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "c"))->status, 409);
	assert_string_equal(kept(f, "a"), "b");
	assert_int_equal(post(f, AT("/reopen"), "{\"ttl_ms\":5000}")->status, 200);
	assert_non_null(strstr(post(f, AT("/runs"), "{\"user\":\"lion\",\"command\":[\"show\",\"a\"]}")->text,
			       "\"stdout\":\"b\""));
	assert_int_equal(post(f, AT("/reopen"), NULL)->status, 409);
}

static void prolonging_reaches_the_engine(void **state)
{
	struct fixture *f = *state;
	uint8_t id[ENGINE_SESSION_ID_SIZE];

	open_dojo(f);
	assert_int_equal(session_store_each(f->store, note_key, id, NULL), 0);
	assert_int_equal(engine_fake_ttl_ms(f->engine, id), 60000);
	assert_int_equal(api_fixture_call(f, "PUT", AT(""), "{\"ttl_ms\":120000}")->status, 200);
	assert_int_equal(engine_fake_ttl_ms(f->engine, id), 120000);
	assert_int_equal(api_fixture_call(f, "PUT", AT(""), "{}")->status, 400);
	assert_int_equal(api_fixture_call(f, "PUT", AT(""), "{\"ttl_ms\":999999999999}")->status, 422);
}

static void a_new_front_finds_it_as_it_was(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	api_fixture_restart(f, false);
	assert_state(f, "open");
	assert_non_null(strstr(post(f, AT("/runs"), "{\"user\":\"lion\",\"command\":[\"show\",\"a\"]}")->text,
			       "\"stdout\":\"b\""));
	assert_int_equal(json_array_size(json_object_get(get(f, AT("/runs"))->json, "runs")), 2);
}

static void a_restart_in_good_order_opens_it_again(void **state)
{
	struct fixture *f = *state;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	api_drain(f->api);
	while (!api_drained(f->api))
		uv_run(&f->loop, UV_RUN_ONCE);
	api_fixture_lose(f);
	assert_non_null(strstr(post(f, AT("/runs"), "{\"user\":\"lion\",\"command\":[\"show\",\"a\"]}")->text,
			       "\"stdout\":\"b\""));
	assert_state(f, "open");
}

static void one_that_the_engine_lost_says_so_and_has_its_files(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	open_dojo(f);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	api_fixture_lose(f);
	a = get(f, AT(""));
	assert_string_equal(text_at(a, "state"), "lost");
	assert_non_null(strstr(text_at(a, "reason"), "keeper"));
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "c"))->status, 409);
	assert_string_equal(kept(f, "a"), "b");
	assert_int_equal(post(f, AT("/reopen"), NULL)->status, 200);
	assert_non_null(strstr(post(f, AT("/runs"), "{\"user\":\"lion\",\"command\":[\"show\",\"a\"]}")->text,
			       "\"stdout\":\"b\""));
}

static void one_that_cannot_be_made_leaves_no_trace(void **state)
{
	struct fixture *f = *state;

	engine_fake_fail(f->engine, FAKE_SESSION_REFUSED, 1, -EAGAIN);
	assert_int_equal(post(f, "/v1/sessions", MAKE)->status, 503);
	assert_int_equal(get(f, AT(""))->status, 404);
	assert_int_equal(post(f, "/v1/sessions", MAKE)->status, 201);
}

static void removing_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct client *running;
	char key[ENGINE_SESSION_ID_SIZE] = "";

	open_dojo(f);
	running = api_fixture_send(f, "POST", AT("/runs"), "application/json", HANG, strlen(HANG));
	api_fixture_until_open(f, 1);
	assert_int_equal(api_fixture_call(f, "DELETE", AT(""), NULL)->status, 204);
	is_cancelled(api_fixture_wait(f, running));
	assert_int_equal(get(f, AT(""))->status, 404);
	assert_int_equal(session_store_each(f->store, note_key, key, NULL), 0);
	assert_string_equal(key, "");
	assert_int_equal(f->engine->v->sandbox_count(f->engine), 0);
}

#define SERVED                                                                                               \
	"{\"id\":\"dojo\",\"image\":\"host\",\"ttl_ms\":60000,\"services\":{"                                \
	"\"db\":{\"image\":\"host\",\"command\":[\"hang\"],\"ready\":{\"command\":[\"true\"],\"interval_"    \
	"ms\":1}},"                                                                                          \
	"\"web\":{\"image\":\"host\",\"command\":[\"hang\"],\"depends_on\":[\"db\"]}}}"

static void services_are_ready_before_anything_runs(void **state)
{
	struct fixture *f = *state;
	struct answer *a = post(f, "/v1/sessions", SERVED);

	assert_int_equal(a->status, 201);
	assert_string_equal(text_at(a, "state"), "starting");
	assert_int_equal(post(f, AT("/users"), LION)->status, 201);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	a = get(f, AT(""));
	assert_string_equal(text_at(a, "state"), "open");
	assert_non_null(strstr(a->text, "\"db\":{\"image\":\"host\",\"state\":\"ready\",\"restarts\":0"));
	assert_non_null(strstr(a->text, "\"web\":{\"image\":\"host\",\"state\":\"ready\",\"restarts\":0"));
}

static void a_service_that_does_not_start_ends_the_session(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	post(f, "/v1/sessions",
	     "{\"id\":\"dojo\",\"image\":\"host\",\"ttl_ms\":60000,\"services\":{\"db\":{\"image\":\"host\","
	     "\"command\":[\"hang\"],\"ready\":{\"command\":[\"false\"],\"interval_ms\":1,\"start_ms\":30}}}"
	     "}");
	do {
		a = get(f, AT(""));
	} while (strcmp(text_at(a, "state"), "starting") == 0);
	assert_string_equal(text_at(a, "state"), "lost");
	assert_non_null(strstr(text_at(a, "reason"), "service 'db' did not start"));
}

static void events_tell_what_happens(void **state)
{
	struct fixture *f = *state;
	struct client *waiting;
	struct answer *a;
	char path[64];

	open_dojo(f);
	a = get(f, AT("/events?since=0"));
	assert_true(json_array_size(json_object_get(a->json, "events")) > 0);
	snprintf(path, sizeof(path), AT("/events?since=%lld"),
		 (long long)json_integer_value(json_object_get(a->json, "last")));
	waiting = api_fixture_send(f, "GET", path, NULL, NULL, 0);
	assert_int_equal(post(f, AT("/runs"), WRITE("a", "b"))->status, 200);
	a = api_fixture_wait(f, waiting);
	assert_non_null(strstr(a->text, "\"type\":\"run\""));
	assert_non_null(strstr(a->text, "\"outcome\":\"ok\""));
}

static void a_path_that_is_none_is_told(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	open_dojo(f);
	assert_int_equal(get(f, AT("/nosuch"))->status, 404);
	assert_int_equal(get(f, AT("/users/lion/files/x"))->status, 404);
	a = api_fixture_call(f, "PUT", AT("/finish"), "{}");
	assert_int_equal(a->status, 405);
	assert_non_null(strstr(a->text, "Allow: POST"));
}

/* A user with a file of so many kilobytes that no other has. */
static struct answer *add_heavy(struct fixture *f, char name, size_t kib)
{
	char path[] = AT("/users");
	size_t len = kib * 1024;
	char *body = malloc(len + 128), *at = body;
	struct answer *answer;

	assert_non_null(body);
	at += snprintf(at, 128, "{\"name\":\"%c\",\"files\":{\"f\":\"", name);
	memset(at, name, len);
	memcpy(at + len, "\"}}", 4);
	answer = post(f, path, body);
	free(body);
	return answer;
}

static void a_full_store_is_told_and_nothing_half_stays(void **state)
{
	struct fixture *f = *state;
	char name = 'a', path[] = AT("/users/a");
	struct answer *answer;

	open_dojo(f);
	while ((answer = add_heavy(f, name, 900))->status == 201)
		name++;
	assert_int_equal(answer->status, 500);
	assert_non_null(strstr(answer->text, "full"));
	assert_true(name > 'g' && name < 'z');
	/* He is not there, and may come again. */
	path[sizeof(path) - 2] = name;
	assert_int_equal(get(f, path)->status, 404);
	assert_int_equal(add_heavy(f, name, 900)->status, 500);
	/* Nor are his files: a look finds none of them. */
	assert_int_equal(json_array_size(json_object_get(get(f, AT("/users"))->json, "users")),
			 (size_t)(name - 'a') + 1);
	/* Room comes back. */
	path[sizeof(path) - 2] = 'a';
	assert_int_equal(api_fixture_call(f, "DELETE", path, NULL)->status, 204);
	assert_int_equal(add_heavy(f, name, 400)->status, 201);
	assert_string_equal(kept(f, "none"), "");
}

static void a_removed_session_leaves_its_name_at_once(void **state)
{
	struct fixture *f = *state;
	struct client *removal, *making;

	open_dojo(f);
	post(f, AT("/runs"), WRITE("a", "old"));
	removal = api_fixture_send(f, "DELETE", AT(""), NULL, NULL, 0);
	making = api_fixture_send(f, "POST", "/v1/sessions", "application/json", MAKE, strlen(MAKE));
	assert_int_equal(api_fixture_wait(f, making)->status, 201);
	assert_int_equal(api_fixture_wait(f, removal)->status, 204);
	assert_int_equal(post(f, AT("/users"), LION)->status, 201);
	assert_string_equal(kept(f, "a"), "");
}

/* What was asked of a session is done in that order, whoever asked. */
static void a_fork_has_what_was_answered_before_and_what_is_on_its_way(void **state)
{
	struct fixture *f = *state;
	struct client *run, *fork;

	open_dojo(f);
	run = api_fixture_send(f, "POST", AT("/runs"), "application/json", WRITE("a", "new"),
			       strlen(WRITE("a", "new")));
	assert_int_equal(api_fixture_wait(f, run)->status, 200);
	fork = api_fixture_send(f, "POST", AT("/fork"), "application/json", "{\"id\":\"two\"}", 12);
	run = api_fixture_send(f, "POST", AT("/runs"), "application/json", WRITE("a", "newer"),
			       strlen(WRITE("a", "newer")));
	assert_int_equal(api_fixture_wait(f, fork)->status, 201);
	assert_int_equal(api_fixture_wait(f, run)->status, 200);
	assert_string_equal(kept(f, "a"), "newer");
	assert_non_null(strstr(get(f, "/v1/sessions/two/users/lion/files")->text, "\"new"));
}

static void a_client_that_goes_while_files_are_read_is_no_harm(void **state)
{
	struct fixture *f = *state;
	struct client *client;

	open_dojo(f);
	post(f, AT("/runs"), WRITE("a", "text"));
	for (int turns = 0; turns < 12; turns++) {
		client = api_fixture_send(f, "GET", AT("/files"), NULL, NULL, 0);
		for (int i = 0; i < turns; i++)
			uv_run(&f->loop, UV_RUN_NOWAIT);
		api_fixture_hang_up(f, client);
	}
	assert_string_equal(kept(f, "a"), "text");
}

static void without_a_store_there_are_none(void **state)
{
	assert_int_equal(post(*state, "/v1/sessions", MAKE)->status, 503);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, api_fixture_setup_sessions, api_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(makes_one_and_says_what_it_is),
		TEST(refuses_what_is_wrong_and_names_the_field),
		TEST(a_name_is_taken_once_and_by_one_tenant),
		TEST(a_tenant_has_so_many_and_no_more),
		TEST(a_tenant_has_so_much_memory_and_no_more),
		TEST(a_run_finds_what_the_last_one_left),
		TEST(writes_and_deletes_before_a_run),
		TEST(a_language_finds_the_files_that_are_there),
		TEST(refuses_runs_that_cannot_be),
		TEST(a_file_that_cannot_be_there_is_the_users_own_fault),
		TEST(users_come_and_go),
		TEST(one_user_runs_once_at_a_time_and_others_beside),
		TEST(finish_keeps_the_files_and_runs_nothing_more),
		TEST(a_fork_has_the_files_and_goes_its_own_way),
		TEST(a_run_of_the_past_is_told_with_what_it_left),
		TEST(what_a_run_was_given_is_in_the_copy_at_its_end),
		TEST(a_fork_of_a_run_has_what_it_left),
		TEST(a_detached_run_goes_on_without_its_client),
		TEST(one_that_expired_can_be_read_and_opened_again),
		TEST(prolonging_reaches_the_engine),
		TEST(a_new_front_finds_it_as_it_was),
		TEST(a_restart_in_good_order_opens_it_again),
		TEST(one_that_the_engine_lost_says_so_and_has_its_files),
		TEST(one_that_cannot_be_made_leaves_no_trace),
		TEST(removing_leaves_nothing),
		TEST(services_are_ready_before_anything_runs),
		TEST(a_service_that_does_not_start_ends_the_session),
		TEST(events_tell_what_happens),
		TEST(a_path_that_is_none_is_told),
		TEST(a_full_store_is_told_and_nothing_half_stays),
		TEST(a_removed_session_leaves_its_name_at_once),
		TEST(a_fork_has_what_was_answered_before_and_what_is_on_its_way),
		TEST(a_client_that_goes_while_files_are_read_is_no_harm),
		cmocka_unit_test_setup_teardown(without_a_store_there_are_none, api_fixture_setup,
						api_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
