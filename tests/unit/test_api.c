#include "api_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char hello[] = "{\"language\":\"fake\",\"files\":{\"main.fk\":\"hello\"}}";
static const char hang[] = "{\"image\":\"host\",\"steps\":[{\"name\":\"run\",\"command\":[\"hang\"]}]}";

static const char *error_code(const struct answer *answer)
{
	return json_string_value(json_object_get(json_object_get(answer->json, "error"), "code")) ?: "";
}

static const char *error_field(const struct answer *answer)
{
	return json_string_value(json_object_get(json_object_get(answer->json, "error"), "field")) ?: "";
}

static const char *outcome(const struct answer *answer)
{
	return json_string_value(json_object_get(answer->json, "outcome")) ?: "";
}

static const char *step_stdout(const struct answer *answer)
{
	json_t *step = json_array_get(json_object_get(answer->json, "steps"), 0);

	return json_string_value(json_object_get(step, "stdout")) ?: "";
}

static void runs_a_language_and_answers_with_the_result(void **state)
{
	struct fixture *f = *state;
	struct answer *a = api_fixture_post(f, "/v1/runs", "application/json", hello);

	assert_int_equal(a->status, 200);
	assert_string_equal(outcome(a), "ok");
	assert_string_equal(step_stdout(a), "hello");
	assert_string_equal(json_string_value(json_object_get(a->json, "language")), "fake");
	assert_non_null(strstr(a->text, "Server-Timing: queue;dur="));
	assert_int_equal(api_runs_open(f->api), 0);
}

static void says_a_failing_program_with_200(void **state)
{
	struct answer *a =
		api_fixture_post(*state, "/v1/runs", "application/json; charset=UTF-8",
				 "{\"image\":\"host\",\"steps\":[{\"name\":\"r\",\"command\":[\"false\"]}]}");

	assert_int_equal(a->status, 200);
	assert_string_equal(outcome(a), "failed");
}

static void refuses_what_is_wrong_and_names_the_field(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	a = api_fixture_post(f, "/v1/runs", "application/json",
			     "{\"language\":\"nosuch\",\"files\":{\"a\":\"\"}}");
	assert_int_equal(a->status, 404);
	assert_string_equal(error_field(a), "language");
	a = api_fixture_post(
		f, "/v1/runs", "application/json",
		"{\"language\":\"fake\",\"limits\":{\"wall_ms\":999999999},\"files\":{\"main.fk\":\"\"}}");
	assert_int_equal(a->status, 422);
	assert_string_equal(error_field(a), "limits.wall_ms");
	a = api_fixture_post(f, "/v1/runs", "application/json", "{");
	assert_int_equal(a->status, 400);
	assert_int_equal(engine_fake_counts(f->engine).created, 0);
}

static void refuses_other_content_types(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(api_fixture_post(f, "/v1/runs", "text/plain", hello)->status, 415);
	assert_int_equal(api_fixture_post(f, "/v1/runs", "application/jsonx", hello)->status, 415);
	assert_int_equal(
		api_fixture_post(f, "/v1/runs", "application/json\r\nContent-Encoding: gzip", hello)->status,
		415);
	assert_int_equal(api_fixture_post(f, "/v1/runs", NULL, hello)->status, 415);
}

#define PART(name, content) "--xx\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" content "\r\n"

static void reads_a_form(void **state)
{
	struct fixture *f = *state;
	struct answer *a = api_fixture_post(
		f, "/v1/runs", "multipart/form-data; boundary=xx",
		PART("run", "{\"language\":\"fake\",\"files\":{\"main.fk\":\"form\"}}") "--xx--\r\n");

	assert_int_equal(a->status, 200);
	assert_string_equal(step_stdout(a), "form");
}

static void refuses_a_form_with_wrong_parts(void **state)
{
	static const char *const forms[] = {
		PART("archive", "x") "--xx--\r\n",
		PART("run", "{}") PART("run", "{}") "--xx--\r\n",
		PART("run", "{}") PART("other", "x") "--xx--\r\n",
		PART("run", "{\"language\":\"fake\",\"files\":{\"main.fk\":\"\"}}")
			PART("archive", "x") "--xx--\r\n",
		PART("run", "{\"language\":\"fake\",\"archive\":\"\"}") PART("archive", "") "--xx--\r\n",
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct answer *a =
			api_fixture_post(*state, "/v1/runs", "multipart/form-data; boundary=xx", forms[i]);

		assert_int_equal(a->status, 400);
		assert_string_not_equal(error_code(a), "");
	}
}

/* A tar with one member, "main.fk", that holds "tarred". */
static size_t tar_of_main(char tar[2048])
{
	unsigned sum = 0;

	memset(tar, 0, 2048);
	memcpy(tar, "main.fk", 7);
	memcpy(tar + 100, "0000644", 7);
	memcpy(tar + 108, "0000000", 7);
	memcpy(tar + 116, "0000000", 7);
	memcpy(tar + 124, "00000000006", 11);
	memcpy(tar + 136, "00000000000", 11);
	memset(tar + 148, ' ', 8);
	tar[156] = '0';
	memcpy(tar + 257, "ustar\00000", 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)tar[i];
	snprintf(tar + 148, 8, "%06o", sum);
	memcpy(tar + 512, "tarred", 6);
	return 2048;
}

static void reads_a_raw_archive_with_the_run_in_the_query(void **state)
{
	char tar[2048];
	size_t len = tar_of_main(tar);
	struct answer *a = api_fixture_post_bytes(*state, "/v1/runs?run=%7B%22language%22%3A%22fake%22%7D",
						  "application/x-tar", tar, len);

	assert_int_equal(a->status, 200);
	assert_string_equal(step_stdout(a), "tarred");
}

static void refuses_a_raw_archive_without_a_run(void **state)
{
	struct answer *a = api_fixture_post(*state, "/v1/runs", "application/x-tar", "x");

	assert_int_equal(a->status, 400);
	assert_string_equal(error_field(a), "run");
}

static struct client *send_hello(struct fixture *f, size_t open_then)
{
	struct client *client =
		api_fixture_send(f, "POST", "/v1/runs", "application/json", hello, strlen(hello));

	api_fixture_until_open(f, open_then);
	return client;
}

static void lets_some_wait_and_refuses_the_one_after(void **state)
{
	struct fixture *f = *state;
	struct client *one, *two, *three;
	struct answer *refused;

	engine_fake_stop(f->engine, true);
	one = send_hello(f, 1);
	two = send_hello(f, 2);
	three = send_hello(f, 3);
	assert_int_equal(engine_fake_counts(f->engine).created, 1);
	refused = api_fixture_post(f, "/v1/runs", "application/json", hello);
	assert_int_equal(refused->status, 503);
	assert_string_equal(error_code(refused), "queue_full");
	assert_non_null(strstr(refused->text, "Retry-After: 1\r\n"));
	engine_fake_stop(f->engine, false);
	assert_string_equal(step_stdout(api_fixture_wait(f, one)), "hello");
	assert_string_equal(step_stdout(api_fixture_wait(f, two)), "hello");
	assert_string_equal(step_stdout(api_fixture_wait(f, three)), "hello");
}

static void pushes_the_crowd_of_one_tenant_out_for_another(void **state)
{
	struct fixture *f = *state;
	struct client *one, *two, *three, *other;
	struct answer *pushed;

	engine_fake_stop(f->engine, true);
	one = send_hello(f, 1);
	two = send_hello(f, 2);
	three = send_hello(f, 3);
	f->token = "token-of-b";
	other = api_fixture_send(f, "POST", "/v1/runs", "application/json", hello, strlen(hello));
	pushed = api_fixture_wait(f, three);
	assert_int_equal(pushed->status, 503);
	assert_non_null(strstr(pushed->text, "Retry-After: "));
	engine_fake_stop(f->engine, false);
	assert_int_equal(api_fixture_wait(f, one)->status, 200);
	assert_int_equal(api_fixture_wait(f, two)->status, 200);
	assert_int_equal(api_fixture_wait(f, other)->status, 200);
}

static void asks_for_a_token_except_for_probes(void **state)
{
	static const char *const open[] = { "/alive", "/ready" };
	static const char *const closed[] = { "/v1/languages", "/v1/images", "/v1/node", "/metrics" };
	struct fixture *f = *state;

	f->token = NULL;
	for (int i = 0; i < 2; i++)
		assert_int_equal(api_fixture_get(f, open[i])->status, 200);
	for (int i = 0; i < 4; i++)
		assert_int_equal(api_fixture_get(f, closed[i])->status, 401);
	assert_int_equal(api_fixture_post(f, "/v1/runs", "application/json", hello)->status, 401);
	assert_int_equal(engine_fake_counts(f->engine).created, 0);
}

static void kills_the_run_of_a_client_that_went_away(void **state)
{
	struct fixture *f = *state;
	struct client *client =
		api_fixture_send(f, "POST", "/v1/runs", "application/json", hang, strlen(hang));

	while (engine_fake_counts(f->engine).steps == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	api_fixture_hang_up(f, client);
	api_fixture_until_open(f, 0);
	assert_int_equal(f->engine->v->sandbox_count(f->engine), 0);
	assert_non_null(
		strstr(api_fixture_get(f, "/metrics")->text, "kiln_runs_total{outcome=\"cancelled\"} 1\n"));
}

static void forgets_a_waiting_client_that_went_away(void **state)
{
	struct fixture *f = *state;
	struct client *one, *two;

	engine_fake_stop(f->engine, true);
	one = api_fixture_send(f, "POST", "/v1/runs", "application/json", hello, strlen(hello));
	api_fixture_until_open(f, 1);
	two = api_fixture_send(f, "POST", "/v1/runs", "application/json", hello, strlen(hello));
	api_fixture_until_open(f, 2);
	api_fixture_hang_up(f, two);
	api_fixture_until_open(f, 1);
	engine_fake_stop(f->engine, false);
	assert_int_equal(api_fixture_wait(f, one)->status, 200);
	assert_int_equal(engine_fake_counts(f->engine).created, 1);
}

static void drains_with_running_runs_ending_and_new_ones_refused(void **state)
{
	struct fixture *f = *state;
	struct client *client;
	struct answer *a;

	engine_fake_stop(f->engine, true);
	client = api_fixture_send(f, "POST", "/v1/runs", "application/json", hello, strlen(hello));
	api_fixture_until_open(f, 1);
	api_drain(f->api);
	a = api_fixture_post(f, "/v1/runs", "application/json", hello);
	assert_int_equal(a->status, 503);
	assert_string_equal(error_code(a), "draining");
	assert_non_null(strstr(a->text, "Retry-After: "));
	a = api_fixture_get(f, "/ready");
	assert_int_equal(a->status, 503);
	assert_true(json_is_false(json_object_get(a->json, "ready?")));
	assert_int_equal(api_fixture_get(f, "/alive")->status, 200);
	engine_fake_stop(f->engine, false);
	assert_string_equal(step_stdout(api_fixture_wait(f, client)), "hello");
	assert_int_equal(api_runs_open(f->api), 0);
}

static void answers_500_when_the_engine_refuses_a_sandbox(void **state)
{
	struct fixture *f = *state;

	engine_fake_fail(f->engine, FAKE_CREATE_REFUSED, 1, -ENOMEM);
	assert_int_equal(api_fixture_post(f, "/v1/runs", "application/json", hello)->status, 500);
	assert_int_equal(api_fixture_post(f, "/v1/runs", "application/json", hello)->status, 200);
}

static void answers_503_while_the_engine_is_away(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	engine_fake_set_sick(f->engine, "the keeper is gone");
	engine_fake_fail(f->engine, FAKE_CREATE_REFUSED, 1, -EPIPE);
	a = api_fixture_post(f, "/v1/runs", "application/json", hello);
	assert_int_equal(a->status, 503);
	assert_string_equal(error_code(a), "not_ready");
	a = api_fixture_get(f, "/ready");
	assert_int_equal(a->status, 503);
	assert_string_equal(json_string_value(json_object_get(a->json, "why")), "the keeper is gone");
}

static void starts_the_next_one_when_one_cannot_start(void **state)
{
	struct fixture *f = *state;
	struct client *one, *two;

	engine_fake_stop(f->engine, true);
	one = api_fixture_send(f, "POST", "/v1/runs", "application/json", hang, strlen(hang));
	api_fixture_until_open(f, 1);
	two = api_fixture_send(f, "POST", "/v1/runs", "application/json", hello, strlen(hello));
	api_fixture_until_open(f, 2);
	engine_fake_fail(f->engine, FAKE_CREATE_REFUSED, 1, -ENOMEM);
	api_fixture_hang_up(f, one);
	assert_int_equal(api_fixture_wait(f, two)->status, 500);
	engine_fake_stop(f->engine, false);
	assert_int_equal(api_fixture_post(f, "/v1/runs", "application/json", hello)->status, 200);
}

static void tells_an_engine_error_as_a_result(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	engine_fake_fail(f->engine, FAKE_STEP_LOST, 1, -EPIPE);
	a = api_fixture_post(f, "/v1/runs", "application/json", hang);
	assert_int_equal(a->status, 200);
	assert_string_equal(outcome(a), "engine_error");
}

static void lists_languages(void **state)
{
	struct answer *a = api_fixture_get(*state, "/v1/languages");
	json_t *language = json_array_get(json_object_get(a->json, "languages"), 0);

	assert_int_equal(a->status, 200);
	assert_string_equal(json_string_value(json_object_get(language, "id")), "fake");
	assert_string_equal(json_string_value(json_object_get(language, "image")), "host");
	assert_true(json_is_true(json_object_get(language, "available")));
	assert_int_equal(json_array_size(json_object_get(language, "steps")), 1);
}

static void lists_images_with_their_digests(void **state)
{
	struct answer *a = api_fixture_get(*state, "/v1/images");
	json_t *images = json_object_get(a->json, "images");

	assert_int_equal(json_array_size(images), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(images, 0), "name")), "host");
	assert_string_equal(json_string_value(json_object_get(json_array_get(images, 0), "digest")),
			    "sha256:0123456789abcdef");
}

static void tells_about_the_node(void **state)
{
	struct answer *a = api_fixture_get(*state, "/v1/node");

	assert_int_equal(a->status, 200);
	assert_string_equal(json_string_value(json_object_get(a->json, "version")), KILN_VERSION);
	assert_string_equal(json_string_value(json_object_get(json_object_get(a->json, "engine"), "name")),
			    "fake");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(a->json, "host"), "cgroup_version")), 2);
	assert_int_equal(json_array_size(json_object_get(a->json, "unenforced")), 1);
	assert_int_equal(json_array_size(json_object_get(a->json, "enforced")), LIMIT_COUNT - 1);
}

static void answers_probes_under_the_keys_that_clients_know(void **state)
{
	struct fixture *f = *state;
	struct answer *a = api_fixture_get(f, "/alive");

	assert_int_equal(a->status, 200);
	assert_true(json_is_true(json_object_get(a->json, "alive?")));
	a = api_fixture_get(f, "/ready?");
	assert_int_equal(a->status, 200);
	assert_true(json_is_true(json_object_get(a->json, "ready?")));
}

static void counts_runs_by_outcome(void **state)
{
	struct fixture *f = *state;
	struct answer *a;

	api_fixture_post(f, "/v1/runs", "application/json", hello);
	api_fixture_post(f, "/v1/runs", "application/json", hello);
	api_fixture_post(f, "/v1/runs", "application/json", "{}");
	a = api_fixture_get(f, "/metrics");
	assert_int_equal(a->status, 200);
	assert_non_null(strstr(a->text, "\nkiln_runs_total{outcome=\"ok\"} 2\n"));
	assert_non_null(strstr(a->text, "\nkiln_runs_refused_total{why=\"request\"} 1\n"));
	assert_non_null(strstr(a->text, "\nkiln_run_seconds_count 2\n"));
	assert_non_null(strstr(a->text, "\nkiln_http_answers_total{status=\"2xx\"} 2\n"));
	assert_non_null(strstr(a->text, "\nkiln_runs_running 0\n"));
}

static void ends_with_runs_under_way(void **state)
{
	struct fixture *f = *state;

	api_fixture_send(f, "POST", "/v1/runs", "application/json", hang, strlen(hang));
	api_fixture_until_open(f, 1);
	api_fixture_send(f, "POST", "/v1/runs", "application/json", hang, strlen(hang));
	api_fixture_until_open(f, 2);
	/* The tear-down destroys server and api, and asserts that no sandbox is left. */
}

static void ends_while_the_next_run_cannot_start(void **state)
{
	struct fixture *f = *state;

	ends_with_runs_under_way(state);
	engine_fake_fail(f->engine, FAKE_CREATE_REFUSED, 1, -ENOMEM);
}

#define with_api(f) cmocka_unit_test_setup_teardown(f, api_fixture_setup, api_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_api(runs_a_language_and_answers_with_the_result),
		with_api(says_a_failing_program_with_200),
		with_api(refuses_what_is_wrong_and_names_the_field),
		with_api(refuses_other_content_types),
		with_api(reads_a_form),
		with_api(refuses_a_form_with_wrong_parts),
		with_api(reads_a_raw_archive_with_the_run_in_the_query),
		with_api(refuses_a_raw_archive_without_a_run),
		with_api(lets_some_wait_and_refuses_the_one_after),
		with_api(pushes_the_crowd_of_one_tenant_out_for_another),
		with_api(asks_for_a_token_except_for_probes),
		with_api(kills_the_run_of_a_client_that_went_away),
		with_api(forgets_a_waiting_client_that_went_away),
		with_api(drains_with_running_runs_ending_and_new_ones_refused),
		with_api(answers_500_when_the_engine_refuses_a_sandbox),
		with_api(answers_503_while_the_engine_is_away),
		with_api(starts_the_next_one_when_one_cannot_start),
		with_api(tells_an_engine_error_as_a_result),
		with_api(lists_languages),
		with_api(lists_images_with_their_digests),
		with_api(tells_about_the_node),
		with_api(answers_probes_under_the_keys_that_clients_know),
		with_api(counts_runs_by_outcome),
		with_api(ends_with_runs_under_way),
		with_api(ends_while_the_next_run_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
