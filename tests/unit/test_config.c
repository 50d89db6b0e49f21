#include "config/config.h"
#include "config/config_priv.h"
#include "config/quantity.h"
#include "config/yaml_tree.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A kiln.conf with this text for one test, and a place for what is read from it. */
struct fixture {
	char path[64];
	struct config config;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "/tmp/test-config-XXXXXX");
	close(mkstemp(f->path));
	setenv("KILN_CONFIG", f->path, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (char **entry = environ; *entry;) {
		if (strncmp(*entry, "KILN_", 5) == 0) {
			char name[128];

			snprintf(name, sizeof(name), "%.*s", (int)strcspn(*entry, "="), *entry);
			unsetenv(name);
			entry = environ;
		} else {
			entry++;
		}
	}
	unlink(f->path);
	config_finish(&f->config);
	free(f);
	return 0;
}

static void write_file(struct fixture *f, const char *text)
{
	int fd = open(f->path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int load(struct fixture *f, const char *flag)
{
	char *flags[] = { (char *)flag, NULL };

	config_finish(&f->config);
	f->err = ERR_INIT;
	return config_load(NULL, flags, &f->config, &f->err);
}

/* Loads kiln.conf with this text and expects the error to end in `sentence`, after the path. */
static void assert_file_refused(struct fixture *f, const char *text, const char *sentence)
{
	char expected[640];

	write_file(f, text);
	assert_int_equal(load(f, NULL), -EINVAL);
	snprintf(expected, sizeof(expected), "%s%s", f->path, sentence);
	assert_string_equal(f->err.text, expected);
}

static void defaults_are_those_of_the_header(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, NULL), 0);
	assert_string_equal(f->config.listen[0], "127.0.0.1:4597");
	assert_null(f->config.listen[1]);
	assert_int_equal(f->config.tokens_count, 0);
	assert_false(f->config.insecure_no_auth);
	assert_string_equal(f->config.user, "");
	assert_string_equal(f->config.cgroup, "");
	assert_int_equal(f->config.uid_base, 1879048192);
	assert_int_equal(f->config.uid_count, 2097152);
	assert_int_equal(f->config.parallel, 2 * sysconf(_SC_NPROCESSORS_ONLN));
	assert_int_equal(f->config.queue, 256);
	assert_int_equal(f->config.body_bytes, 64 << 20);
	assert_int_equal(f->config.connections, 4096);
	assert_int_equal(f->config.idle_ms, 60000);
	assert_int_equal(f->config.header_ms, 20000);
	assert_int_equal(f->config.ws_connections, 2048);
	assert_int_equal(f->config.ws_runs, 32);
	assert_int_equal(f->config.ws_client_runs, 256);
	assert_int_equal(f->config.ws_idle_ms, 600000);
	assert_int_equal(f->config.ws_timeout_ms, 90000);
	assert_null(f->config.origins);
	assert_int_equal(f->config.drain_ms, 150000);
	for (int i = 0; i < LIMIT_COUNT; i++)
		assert_int_equal(f->config.ceilings.value[i], limit_table[i].default_ceiling);
}

static void state_is_kept_where_xdg_says_unless_root(void **state)
{
	struct fixture *f = *state;

	setenv("XDG_STATE_HOME", "/some/where", 1);
	assert_int_equal(load(f, NULL), 0);
	unsetenv("XDG_STATE_HOME");
	assert_string_equal(f->config.state_dir, geteuid() == 0 ? "/var/lib/kiln" : "/some/where/kiln");
}

static void the_file_sets_every_kind_of_value(void **state)
{
	struct fixture *f = *state;

	write_file(f, "listen: [\"127.0.0.1:1\", \"[::1]:2,dialect=judge0\"]\n"
		      "tokens:\n  lion: s3cret\n  bear: other\n"
		      "insecure_no_auth: yes\n"
		      "state_dir: /var/tmp/kiln\n"
		      "cgroup: kiln.slice\n"
		      "parallel: 7\n"
		      "body_bytes: 2 MiB\n"
		      "idle_ms: 2m\n"
		      "ceilings:\n  memory_bytes: 1GiB\n  wall_ms: 30s\n");
	assert_int_equal(load(f, NULL), 0);
	assert_string_equal(f->config.listen[1], "[::1]:2,dialect=judge0");
	assert_null(f->config.listen[2]);
	assert_int_equal(f->config.tokens_count, 2);
	assert_string_equal(f->config.tokens[1].name, "bear");
	assert_string_equal(f->config.tokens[1].token, "other");
	assert_true(f->config.insecure_no_auth);
	assert_string_equal(f->config.state_dir, "/var/tmp/kiln");
	assert_string_equal(f->config.cgroup, "kiln.slice");
	assert_int_equal(f->config.parallel, 7);
	assert_int_equal(f->config.body_bytes, 2 << 20);
	assert_int_equal(f->config.idle_ms, 120000);
	assert_int_equal(f->config.ceilings.value[LIMIT_MEMORY_BYTES], 1 << 30);
	assert_int_equal(f->config.ceilings.value[LIMIT_WALL_MS], 30000);
}

static void tokens_may_be_a_list(void **state)
{
	struct fixture *f = *state;

	write_file(f, "tokens: [lion=old, lion=new]\n");
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->config.tokens_count, 2);
	assert_string_equal(f->config.tokens[0].token, "old");
	assert_string_equal(f->config.tokens[1].name, "lion");
}

static void a_flag_wins_over_a_variable_over_the_file(void **state)
{
	struct fixture *f = *state;

	write_file(f, "queue: 1\nparallel: 1\nconnections: 1\n");
	setenv("KILN_QUEUE", "2", 1);
	setenv("KILN_PARALLEL", "2", 1);
	assert_int_equal(load(f, "--queue=3"), 0);
	assert_int_equal(f->config.queue, 3);
	assert_int_equal(f->config.parallel, 2);
	assert_int_equal(f->config.connections, 1);
}

static void lists_of_a_later_source_replace_and_of_the_same_source_add_up(void **state)
{
	struct fixture *f = *state;
	char *flags[] = { (char *)"--listen=127.0.0.1:3", (char *)"--listen=127.0.0.1:4", NULL };

	write_file(f, "listen: 127.0.0.1:1\ntokens: {a: b}\n");
	setenv("KILN_TOKENS", "x=1,y=2", 1);
	assert_int_equal(config_load(NULL, flags, &f->config, &f->err), 0);
	assert_string_equal(f->config.listen[0], "127.0.0.1:3");
	assert_string_equal(f->config.listen[1], "127.0.0.1:4");
	assert_null(f->config.listen[2]);
	assert_int_equal(f->config.tokens_count, 2);
	assert_string_equal(f->config.tokens[0].name, "x");
	assert_string_equal(f->config.tokens[1].token, "2");
}

static void a_variable_separates_listeners_by_spaces(void **state)
{
	struct fixture *f = *state;

	setenv("KILN_LISTEN", "127.0.0.1:1  127.0.0.1:2,dialect=jobe", 1);
	assert_int_equal(load(f, NULL), 0);
	assert_string_equal(f->config.listen[1], "127.0.0.1:2,dialect=jobe");
	assert_null(f->config.listen[2]);
}

static void ceilings_are_variables_and_flags_too(void **state)
{
	struct fixture *f = *state;

	setenv("KILN_CEILINGS_OPEN_FILES", "100", 1);
	assert_int_equal(load(f, "--ceilings.memory-bytes=128MiB"), 0);
	assert_int_equal(f->config.ceilings.value[LIMIT_OPEN_FILES], 100);
	assert_int_equal(f->config.ceilings.value[LIMIT_MEMORY_BYTES], 128 << 20);
}

static void a_relative_folder_becomes_absolute(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *cwd = get_current_dir_name();
	char expected[4200];

	assert_int_equal(load(f, "--state-dir=some/where"), 0);
	snprintf(expected, sizeof(expected), "%s/some/where", cwd);
	assert_string_equal(f->config.state_dir, expected);
}

static void a_mistake_in_the_file_is_named_with_line_and_key(void **state)
{
	struct fixture *f = *state;

	assert_file_refused(f, "queue: 1\nquue: 2\n", ":2: quue: there is no such setting");
	assert_file_refused(f, "queue: lots\n", ":1: queue: 'lots' is not a whole number, such as 64");
	assert_file_refused(f, "parallel: 0\n", ":1: parallel: 0 is out of bounds: at least 1, at most 4096");
	assert_file_refused(f, "\n\nbody_bytes: 1.5MiB\n",
			    ":3: body_bytes: '1.5MiB' is not a number of bytes, such as 67108864 or 64MiB");
	assert_file_refused(f, "queue: 1\nqueue: 2\n", ":2: queue: stands here twice, first in line 1");
	assert_file_refused(f, "queue: [1, 2]\n", ":1: queue: must be one value, not a list");
	assert_file_refused(f, "queue: {a: 1}\n", ":1: queue: must be one value, not a mapping");
	assert_file_refused(f, "queue:\n", ":1: queue: has no value");
	assert_file_refused(f, "insecure_no_auth: maybe\n", ":1: insecure_no_auth: must be true or false");
	assert_file_refused(f, "ceilings:\n  wall_ms: 1s\n  memory: 1\n",
			    ":3: ceilings.memory: there is no such setting");
	assert_file_refused(
		f, "ceilings:\n  memory_bytes: 1KiB\n",
		":2: ceilings.memory_bytes: 1KiB is out of bounds: at least 4MiB, at most 1024TiB");
	assert_file_refused(f, "[a, b]\n", ":1: must be settings, one \"name: value\" a line");
	assert_file_refused(f, "a: &x 1\nb: *x\n", ":1: anchors and aliases are not supported");
	assert_file_refused(f, "queue: 1\n--- \nqueue: 2\n", ":1: more than one document");
	assert_file_refused(f, "queue: \"\\0\"\n", ":1: a text must not contain a NUL byte");
}

static void text_that_is_not_yaml_is_refused_with_its_line(void **state)
{
	struct fixture *f = *state;
	char expected[128];

	write_file(f, "queue: 1\nlisten: [\n");
	assert_int_equal(load(f, NULL), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:3: not YAML: ", f->path);
	assert_memory_equal(f->err.text, expected, strlen(expected));
}

static void an_empty_file_means_the_defaults(void **state)
{
	struct fixture *f = *state;

	write_file(f, "# nothing\n");
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->config.queue, 256);
}

static void a_file_that_was_named_must_exist(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(config_load("/nowhere/kiln.conf", NULL, &f->config, &f->err), -ENOENT);
	assert_string_equal(f->err.text, "/nowhere/kiln.conf: No such file or directory");
}

static void a_file_of_over_one_mebibyte_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(truncate(f->path, YAML_TREE_BYTES_MAX + 1), 0);
	assert_int_equal(load(f, NULL), -EFBIG);
}

static void an_unknown_variable_is_refused_by_name(void **state)
{
	struct fixture *f = *state;

	setenv("KILN_QEUE", "1", 1);
	assert_int_equal(load(f, NULL), -EINVAL);
	assert_string_equal(f->err.text, "KILN_QEUE: there is no such setting: unset this variable");
}

static void variables_of_clients_and_tests_are_passed_over(void **state)
{
	struct fixture *f = *state;

	setenv("KILN_URL", "http://x", 1);
	setenv("KILN_TOKEN", "secret", 1);
	setenv("KILN_IMAGE", "host", 1);
	setenv("KILN_BIN", "/x", 1);
	setenv("KILN_TEST_ANYTHING", "1", 1);
	assert_int_equal(load(f, NULL), 0);
	assert_int_equal(f->config.tokens_count, 0);
}

static void a_wrong_flag_is_refused_by_name(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "--qeue=1"), -EINVAL);
	assert_string_equal(f->err.text, "--qeue: there is no such flag");
	assert_int_equal(load(f, "--queue"), -EINVAL);
	assert_string_equal(f->err.text, "--queue: needs a value");
	assert_int_equal(load(f, "--queue=-1"), -EINVAL);
	assert_string_equal(f->err.text, "--queue: '-1' is not a whole number, such as 64");
	assert_int_equal(load(f, "--queue=99999999999999999999"), -EINVAL);
	assert_string_equal(f->err.text,
			    "--queue: 99999999999999999999 is out of bounds: at least 0, at most 1048576");
}

static void no_error_about_a_token_shows_it(void **state)
{
	static const char *const wrong[] = { "hunter2", "lion=hunter2,bear=hunter2", "li on=hunter2",
					     "lion=hunter2 " };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		setenv("KILN_TOKENS", wrong[i], 1);
		assert_int_equal(load(f, NULL), -EINVAL);
		assert_null(strstr(f->err.text, "hunter2"));
		assert_memory_equal(f->err.text, "KILN_TOKENS: ", 13);
	}
}

static void user_ids_beyond_the_last_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "--uid-base=4294960000"), -EINVAL);
	assert_string_equal(f->err.field, "uid_count");
	assert_int_equal(load(f, "--uid-base=99999"), -EINVAL);
	assert_string_equal(f->err.field, "uid_base");
	write_file(f, "parallel: 100\nuid_count: 199\n");
	assert_int_equal(load(f, NULL), -EINVAL);
	assert_string_equal(f->err.field, "uid_count");
}

static void a_flag_is_known_by_its_name(void **state)
{
	bool next = true;

	assert_true(config_flag_is("--queue=3", &next));
	assert_false(next);
	assert_true(config_flag_is("--queue", &next));
	assert_true(next);
	assert_true(config_flag_is("--insecure-no-auth", &next));
	assert_false(next);
	assert_true(config_flag_is("--ceilings.cpu-ms", &next));
	assert_false(config_flag_is("--json", &next));
	assert_false(config_flag_is("queue", &next));
	assert_false(config_flag_is("--", &next));
}

static void there_is_a_ceiling_for_every_limit(void **state)
{
	char name[64];
	int at;

	for (int i = 0; i < LIMIT_COUNT; i++) {
		snprintf(name, sizeof(name), "ceilings.%s", limit_table[i].name);
		at = setting_by_name(name, strlen(name));
		assert_true(at >= 0);
		assert_int_equal(config_settings[at].limit, i);
	}
}

static char *described(const char *format)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	config_describe_to(out, format);
	fclose(out);
	return text;
}

static void the_help_names_every_setting(void **state)
{
	AUTO_FREE char *text = described("text");
	AUTO_FREE char *man = described("man");
	char name[128];

	for (size_t i = 0; i < config_settings_count; i++) {
		setting_flag(&config_settings[i], name, sizeof(name));
		assert_non_null(strstr(text, name));
		setting_variable(&config_settings[i], name, sizeof(name));
		assert_non_null(strstr(text, name));
		assert_non_null(strstr(man, name));
	}
	assert_memory_equal(man, ".TP\n\\fB\\-\\-listen\\fR=ADDRESS\n", 28);
}

/* On a mismatch the file has to become what config_describe("conf") prints. */
static void the_example_file_is_what_the_table_says(void **state)
{
	AUTO_FREE char *expected = described("conf");
	char text[32768];
	FILE *in = fopen(KILN_TEST_SOURCE "/kiln.conf.example", "re");
	size_t len;

	assert_non_null(in);
	len = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[len] = '\0';
	assert_string_equal(text, expected);
}

static void the_example_file_without_its_marks_is_read_and_says_the_defaults(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = described("conf");
	char *out = text;

	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n") + 1;
		bool setting = line[0] == '#' && line[1] != ' ';

		if (setting || (line[0] == '#' && line[1] == ' ' && line[2] == ' ')) {
			memmove(out, line + 1, len - 1);
			out += len - 1;
		}
		line += len;
	}
	*out = '\0';
	write_file(f, text);
	if (load(f, NULL) != 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(f->config.tokens_count, 1);
	assert_int_equal(f->config.queue, 256);
	for (int i = 0; i < LIMIT_COUNT; i++)
		assert_int_equal(f->config.ceilings.value[i], limit_table[i].default_ceiling);
}

static void quantities_are_read_exactly(void **state)
{
	static const struct {
		const char *text;
		enum quantity quantity;
		int r;
		int64_t value;
	} cases[] = {
		{ "0", QUANTITY_COUNT, 0, 0 },
		{ "64MiB", QUANTITY_BYTES, 0, 64 << 20 },
		{ "64 MiB", QUANTITY_BYTES, 0, 64 << 20 },
		{ "7B", QUANTITY_BYTES, 0, 7 },
		{ "2m", QUANTITY_MS, 0, 120000 },
		{ "1h", QUANTITY_MS, 0, 3600000 },
		{ "9223372036854775807", QUANTITY_COUNT, 0, INT64_MAX },
		{ "9223372036854775808", QUANTITY_COUNT, -ERANGE, -1 },
		{ "9223372036854775807KiB", QUANTITY_BYTES, -ERANGE, -1 },
		{ "", QUANTITY_COUNT, -EINVAL, -1 },
		{ "-1", QUANTITY_COUNT, -EINVAL, -1 },
		{ "+1", QUANTITY_COUNT, -EINVAL, -1 },
		{ "1 ", QUANTITY_COUNT, -EINVAL, -1 },
		{ "5s", QUANTITY_BYTES, -EINVAL, -1 },
		{ "5MiB", QUANTITY_MS, -EINVAL, -1 },
		{ "5MiB", QUANTITY_COUNT, -EINVAL, -1 },
		{ "0x10", QUANTITY_COUNT, -EINVAL, -1 },
		{ "1e3", QUANTITY_COUNT, -EINVAL, -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t value = -1;

		assert_int_equal(quantity_parse(cases[i].text, cases[i].quantity, &value), cases[i].r);
		assert_true(value == cases[i].value);
	}
}

static void quantities_are_written_as_short_as_exact(void **state)
{
	char text[32];

	quantity_format(64 << 20, QUANTITY_BYTES, text, sizeof(text));
	assert_string_equal(text, "64MiB");
	quantity_format((64 << 20) + 1, QUANTITY_BYTES, text, sizeof(text));
	assert_string_equal(text, "67108865");
	quantity_format(0, QUANTITY_MS, text, sizeof(text));
	assert_string_equal(text, "0ms");
	quantity_format(90000, QUANTITY_MS, text, sizeof(text));
	assert_string_equal(text, "90s");
	quantity_format(6400, QUANTITY_COUNT, text, sizeof(text));
	assert_string_equal(text, "6400");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(defaults_are_those_of_the_header),
		T(state_is_kept_where_xdg_says_unless_root),
		T(the_file_sets_every_kind_of_value),
		T(tokens_may_be_a_list),
		T(a_flag_wins_over_a_variable_over_the_file),
		T(lists_of_a_later_source_replace_and_of_the_same_source_add_up),
		T(a_variable_separates_listeners_by_spaces),
		T(ceilings_are_variables_and_flags_too),
		T(a_relative_folder_becomes_absolute),
		T(a_mistake_in_the_file_is_named_with_line_and_key),
		T(text_that_is_not_yaml_is_refused_with_its_line),
		T(an_empty_file_means_the_defaults),
		T(a_file_that_was_named_must_exist),
		T(a_file_of_over_one_mebibyte_is_refused),
		T(an_unknown_variable_is_refused_by_name),
		T(variables_of_clients_and_tests_are_passed_over),
		T(a_wrong_flag_is_refused_by_name),
		T(no_error_about_a_token_shows_it),
		T(user_ids_beyond_the_last_are_refused),
		T(a_flag_is_known_by_its_name),
		T(there_is_a_ceiling_for_every_limit),
		T(the_help_names_every_setting),
		T(the_example_file_is_what_the_table_says),
		T(the_example_file_without_its_marks_is_read_and_says_the_defaults),
		T(quantities_are_read_exactly),
		T(quantities_are_written_as_short_as_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
