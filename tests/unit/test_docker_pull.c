/*
 * What is pulled with which credentials, what the daemon says meanwhile, and which engine an image is in. Pure
 * parts, but for the helpers of the credential store, which are programs of this test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "config/engine_rules.h"
#include "engine/docker/credentials.h"
#include "engine/docker/images.h"
#include "engine/docker/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_ONE "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define ID_TWO "sha256:2222222222222222222222222222222222222222222222222222222222222222"

/* ---- rules ---- */

static void a_rule_fits_a_name_whole_without_tag_and_without_digest(void **state)
{
	assert_true(engine_rule_fits("judge/*=docker:runsc", "judge/gcc:12"));
	assert_true(engine_rule_fits("judge/gcc=docker", "judge/gcc:12"));
	assert_true(engine_rule_fits("judge/gcc:12=docker", "judge/gcc:12@" ID_ONE));
	assert_true(engine_rule_fits("judge/gcc=docker", "judge/gcc@" ID_ONE));
	assert_true(engine_rule_fits("*/gcc=native", "host.example:5000/judge/gcc"));
	assert_true(engine_rule_fits("host.example:5000/gcc=native", "host.example:5000/gcc:1"));
	assert_false(engine_rule_fits("host.example=native", "host.example:5000/gcc"));
	assert_false(engine_rule_fits("judge/gcc:13=docker", "judge/gcc:12"));
	assert_false(engine_rule_fits("judge", "judge"));
}

static void a_rule_says_an_engine_and_perhaps_a_runtime(void **state)
{
	static const char *const wrong[] = { "x",	   "=docker",	   "x=",	  "x=runsc",
					     "x=docker:",  "x=docker:a/b", "x=docker:-a", "x=docker: runsc",
					     "x=native:y", "x=Docker" };
	struct engine_choice choice;

	assert_true(engine_rule_read("x=docker:runsc", &choice));
	assert_int_equal(choice.kind, ENGINE_KIND_DOCKER);
	assert_string_equal(choice.runtime, "runsc");
	assert_true(engine_rule_read("x=native", &choice));
	assert_int_equal(choice.kind, ENGINE_KIND_NATIVE);
	assert_null(choice.runtime);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(engine_rule_read(wrong[i], &choice));
}

static void the_first_rule_that_fits_decides(void **state)
{
	char *const rules[] = { (char *)"a/b=native", (char *)"a/*=docker:crun", (char *)"*=docker", NULL };

	assert_int_equal(engine_rules_choose(rules, "a/b").kind, ENGINE_KIND_NATIVE);
	assert_string_equal(engine_rules_choose(rules, "a/c").runtime, "crun");
	assert_null(engine_rules_choose(rules, "d").runtime);
	assert_int_equal(engine_rules_choose(NULL, "d").kind, ENGINE_KIND_ANY);
}

/* ---- whose image a name means ---- */

static void read_document(struct docker_images *images, const char *text)
{
	int fd = memfd_create("images", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	docker_images_read(images, fd);
}

static const char two_images[] = "[{\"id\":\"" ID_ONE "\",\"names\":[\"strict/c:1\",\"alias:latest\"]},"
				 "{\"id\":\"" ID_TWO "\",\"names\":[\"loose/c:1\",\"mine:latest\"]}]";

static void another_name_is_no_way_round_a_rule(void **state)
{
	char *const rules[] = { (char *)"strict/*=docker:runsc", NULL };
	struct docker_images images = { .rules = rules };

	read_document(&images, two_images);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "strict/c:1", "alias", "alias@" ID_ONE };
		char canonical[400];
		const json_t *image = docker_images_find(&images, names[i], canonical, sizeof(canonical));

		assert_non_null(image);
		assert_string_equal(docker_image_choice(rules, NULL, image).runtime, "runsc");
		/* Not even where the store has one of that name. */
		assert_true(docker_images_take(&images, names[i], true));
	}
	assert_ptr_equal(docker_images_by_digest(&images, "whatever@" ID_ONE), json_array_get(images.all, 0));
	assert_null(docker_images_by_digest(&images, "alias"));
	docker_images_finish(&images);
}

static void without_a_rule_the_store_comes_first(void **state)
{
	char *const rules[] = { (char *)"strict/*=native", (char *)"host=docker:crun", NULL };
	struct docker_images images = { .rules = rules, .host = "mine" };

	read_document(&images, two_images);
	assert_true(docker_images_take(&images, "loose/c:1", false) &&
		    !docker_images_take(&images, "nobody", false));
	/* `mine`, and all its names, is what languages know as host: the rule about that is about it. */
	assert_true(docker_images_take(&images, "host", true) &&
		    docker_images_take(&images, "loose/c:1", true));
	assert_false(docker_images_take(&images, "alias", false));
	images.host = NULL;
	assert_false(docker_images_take(&images, "loose/c:1", true) ||
		     docker_images_take(&images, "host", true));
	docker_images_finish(&images);
}

/* ---- credentials ---- */

static void the_registry_of_a_reference_is_as_docker_login_writes_it(void **state)
{
	static const char *const pairs[][2] = {
		{ "alpine", CREDENTIALS_HUB },
		{ "library/alpine:3", CREDENTIALS_HUB },
		{ "docker.io/a/b", CREDENTIALS_HUB },
		{ "ghcr.io/a/b:1", "ghcr.io" },
		{ "localhost/a", "localhost" },
		{ "localhost:5000/a", "localhost:5000" },
		{ "127.0.0.1:5000/a@sha256:1", "127.0.0.1:5000" },
	};
	char registry[64];

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		credentials_registry(pairs[i][0], registry, sizeof(registry));
		assert_string_equal(registry, pairs[i][1]);
	}
}

static json_t *header_json(const char *header)
{
	AUTO_FREE uint8_t *data = NULL;
	AUTO_FREE char *plain = strdup(header);
	size_t len;

	for (char *c = plain; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	assert_int_equal(base64_decode(plain, strlen(plain), &data, &len), 0);
	return json_loadb((const char *)data, len, 0, NULL);
}

static void assert_header(const char *header, const char *key, const char *value)
{
	json_t *json = header_json(header);

	assert_string_equal(json_string_value(json_object_get(json, key)), value);
	json_decref(json);
}

/* auth is "user:pass:word". */
static const char config_text[] =
	"{\"auths\":{\"https://ghcr.io/v2/"
	"\":{\"auth\":\"dXNlcjpwYXNzOndvcmQ=\"},\"t.example\":{\"identitytoken\":\"tok\"},"
	"\"bad.example\":{\"auth\":\"!\"},\"worse.example\":{\"auth\":\"dXNlcg==\"}},"
	"\"credHelpers\":{\"h.example\":\"test\",\"evil.example\":\"../x\"}}";

static int read_for(const char *registry, char **ret, char **ret_helper)
{
	json_t *config = json_loads(config_text, 0, NULL);
	struct err err = ERR_INIT;
	int r = credentials_read(config, registry, ret, ret_helper, &err);

	json_decref(config);
	return r;
}

static void the_store_is_read_as_docker_reads_it(void **state)
{
	char *header, *helper;

	assert_int_equal(read_for("ghcr.io", &header, &helper), 0);
	assert_header(header, "username", "user");
	assert_header(header, "password", "pass:word");
	free(header);
	assert_int_equal(read_for("t.example", &header, &helper), 0);
	assert_header(header, "identitytoken", "tok");
	free(header);
	assert_int_equal(read_for("h.example", &header, &helper), 0);
	assert_null(header);
	assert_string_equal(helper, "test");
	free(helper);
	assert_int_equal(read_for("nobody.example", &header, &helper), 0);
	assert_true(!header && !helper);
	assert_int_equal(read_for("bad.example", &header, &helper), -EINVAL);
	assert_int_equal(read_for("worse.example", &header, &helper), -EINVAL);
	assert_int_equal(read_for("evil.example", &header, &helper), -EINVAL);
}

static void write_file(const char *folder, const char *name, mode_t mode, const char *text)
{
	AUTO_FREE char *path = NULL;
	int fd;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void remove_file(const char *folder, const char *name)
{
	AUTO_FREE char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	unlink(path);
}

static void a_helper_is_asked_and_one_that_is_not_there_knows_nothing(void **state)
{
	static const char helper[] =
		"#!/bin/sh\nread -r name\n"
		"case $1:$name in get:h.example) echo '{\"Username\":\"u\",\"Secret\":\"s\"}' ;;\n"
		"get:none.example) echo 'credentials not found in native keychain'; exit 1 ;;\n"
		"*) exit 1 ;; esac\n";
	static const char config[] =
		"{\"credsStore\":\"test\",\"credHelpers\":{\"absent.example\":\"no-such-helper\"}}";
	char folder[] = "/tmp/kiln-test-credentials-XXXXXX";
	AUTO_FREE char *path = NULL, *header = NULL;
	const char *before = getenv("PATH");
	struct err err = ERR_INIT;

	assert_non_null(mkdtemp(folder));
	write_file(folder, "docker-credential-test", 0755, helper);
	write_file(folder, "config.json", 0644, config);
	assert_true(asprintf(&path, "%s:%s", folder, before) > 0);
	setenv("PATH", path, 1);
	assert_int_equal(credentials_find(folder, "h.example/a", &header, &err), 0);
	assert_header(header, "username", "u");
	assert_header(header, "password", "s");
	free(header);
	assert_int_equal(credentials_find(folder, "none.example/a", &header, &err), 0);
	assert_null(header);
	assert_int_equal(credentials_find(folder, "absent.example/a", &header, &err), 0);
	assert_null(header);
	assert_int_equal(credentials_find(folder, "other.example/a", &header, &err), -EIO);
	write_file(folder, "config.json", 0644, "nonsense");
	assert_int_equal(credentials_find(folder, "h.example/a", &header, &err), -EINVAL);
	remove_file(folder, "config.json");
	assert_int_equal(credentials_find(folder, "h.example/a", &header, &err), 0);
	assert_null(header);
	remove_file(folder, "docker-credential-test");
	rmdir(folder);
}

/* ---- progress ---- */

static void feed(struct pull_progress *progress, const char *line)
{
	pull_progress_line(progress, line, strlen(line));
}

static void progress_is_the_sum_of_the_layers(void **state)
{
	AUTO_FREE struct pull_progress *progress = calloc(1, sizeof(*progress));
	uint64_t done, total;

	feed(progress,
	     "{\"status\":\"Downloading\",\"id\":\"a\",\"progressDetail\":{\"current\":5,\"total\":10}}");
	feed(progress,
	     "{\"status\":\"Downloading\",\"id\":\"b\",\"progressDetail\":{\"current\":1,\"total\":20}}");
	feed(progress, "{\"status\":\"Pull complete\",\"id\":\"a\",\"progressDetail\":{}}");
	feed(progress, "nonsense");
	feed(progress, "[]");
	pull_progress_sum(progress, &done, &total);
	assert_int_equal(done, 11);
	assert_int_equal(total, 30);
	assert_string_equal(progress->phase, "downloading");
	assert_false(progress->over);
	feed(progress, "{\"status\":\"Status: Downloaded newer image for a:1\"}");
	assert_true(progress->over);
	feed(progress, "{\"errorDetail\":{\"message\":\"x\"},\"error\":\"no\\nspace\"}");
	assert_string_equal(progress->error, "no space");
}

static void a_daemon_that_lies_about_sizes_wraps_nothing(void **state)
{
	AUTO_FREE struct pull_progress *progress = calloc(1, sizeof(*progress));
	char line[160];
	uint64_t done, total;

	for (int i = 0; i < 2 * PULL_LAYERS_MAX; i++) {
		snprintf(line, sizeof(line),
			 "{\"status\":\"Downloading\",\"id\":\"%d\",\"progressDetail\":{\"current\":-1,"
			 "\"total\":9223372036854775807}}",
			 i);
		feed(progress, line);
	}
	assert_int_equal(progress->layers_count, PULL_LAYERS_MAX);
	pull_progress_sum(progress, &done, &total);
	assert_int_equal(total, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_fits_a_name_whole_without_tag_and_without_digest),
		cmocka_unit_test(a_rule_says_an_engine_and_perhaps_a_runtime),
		cmocka_unit_test(the_first_rule_that_fits_decides),
		cmocka_unit_test(another_name_is_no_way_round_a_rule),
		cmocka_unit_test(without_a_rule_the_store_comes_first),
		cmocka_unit_test(the_registry_of_a_reference_is_as_docker_login_writes_it),
		cmocka_unit_test(the_store_is_read_as_docker_reads_it),
		cmocka_unit_test(a_helper_is_asked_and_one_that_is_not_there_knows_nothing),
		cmocka_unit_test(progress_is_the_sum_of_the_layers),
		cmocka_unit_test(a_daemon_that_lies_about_sizes_wraps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
