#include "language_fixture.h"

#include "run/language.h"
#include "run/language_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static bool exists_yes(void *user, const char *path)
{
	return true;
}

static bool exists_no(void *user, const char *path)
{
	return false;
}

/* Exists only the one path that `user` is. */
static bool exists_one(void *user, const char *path)
{
	return strcmp(user, path) == 0;
}

static void add(struct language_registry *reg, const char *id, const char *version, const char *more)
{
	AUTO_BUF struct buf text = BUF_INIT(4096);
	struct language_list list;
	struct err err = ERR_INIT;

	assert_int_equal(
		buf_printf(&text,
			   "id: %s\nname: N\nimage: host\nsource_file: m.x\nrun: {command: [x]}\nhello: h\n",
			   id),
		0);
	if (*version)
		assert_int_equal(buf_printf(&text, "version: %s\n", version), 0);
	assert_int_equal(buf_append_str(&text, more), 0);
	if (parse_list((const char *)text.data, &list, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < list.count; i++)
		assert_int_equal(language_registry_add(reg, &list.items[i], &err), 0);
	language_list_finish(&list);
}

static void a_minimal_file_is_read(void **state)
{
	struct language language;
	struct err err = ERR_INIT;

	assert_int_equal(parse(MINIMAL, &language, &err), 0);
	assert_string_equal(language.id, "toy");
	assert_string_equal(language.version, "");
	assert_string_equal(language.hello, "say hello\n");
	assert_null(language.compile.command);
	assert_string_equal(language.run.command[1], "{entry}");
	assert_false(language.available);
	language_finish(&language);
}

static void every_key_is_read(void **state)
{
	struct language language;
	struct err err = ERR_INIT;

	assert_int_equal(parse("id: toy\nname: Toy\naliases: [t, toy++]\nversion: 3.11\nimage: "
			       "i\nsource_file: src/main.toy\n"
			       "extensions: [toy, ty]\nrequires: [/usr/bin/toy|/opt/toy]\n"
			       "env: {A: \"1\", B: \"2\"}\n"
			       "compile:\n  command: [toyc, \"{files}\", \"-o{stem}\"]\n  limits: {cpu_ms: "
			       "15s, memory_bytes: 1GiB}\n"
			       "  keep: [out]\n"
			       "run:\n  command: [./out]\n  env: {B: \"3\"}\nhello: h\necho: e\n",
			       &language, &err),
			 0);
	assert_string_equal(language.aliases[1], "toy++");
	assert_string_equal(language.version, "3.11");
	assert_string_equal(language.extensions[1], "ty");
	assert_string_equal(language.requires[0], "/usr/bin/toy|/opt/toy");
	assert_string_equal(language.compile.env[1], "B=2");
	assert_string_equal(language.run.env[0], "A=1");
	assert_string_equal(language.run.env[1], "B=3");
	assert_int_equal(language.compile.limits.value[LIMIT_CPU_MS], 15000);
	assert_int_equal(language.compile.limits.value[LIMIT_MEMORY_BYTES], 1 << 30);
	assert_int_equal(language.compile.limits.value[LIMIT_WALL_MS], LIMIT_UNSET);
	assert_string_equal(language.compile.keep[0], "out");
	assert_string_equal(language.echo, "e");
	language_finish(&language);
}

static void a_mistake_is_named_with_file_line_and_key(void **state)
{
	assert_refused(MINIMAL "colour: red\n", "toy.yaml:8: colour: there is no such key");
	assert_refused(MINIMAL "compile: {comand: [a]}\n",
		       "toy.yaml:8: compile.comand: there is no such key");
	assert_refused(MINIMAL "compile: {keep: [a]}\n", "toy.yaml:8: compile: key 'command' is missing");
	assert_refused("id: toy\n", "toy.yaml:1: key 'name' is missing");
	assert_refused("", "toy.yaml:1: must be a mapping of keys");
	assert_refused(MINIMAL "version: new\n",
		       "toy.yaml:8: version: 'new' is not a version: numbers with dots between");
	assert_refused(MINIMAL "aliases: [To y]\n",
		       "toy.yaml:8: aliases: 'To y' is not a name of small letters, digits and + # . _ -");
	assert_refused(MINIMAL "requires: [gcc]\n",
		       "toy.yaml:8: requires: 'gcc' is not an absolute path (with '|' between: either)");
	assert_refused(MINIMAL "requires: [/a|b]\n",
		       "toy.yaml:8: requires: '/a|b' is not an absolute path (with '|' between: either)");
	assert_refused(MINIMAL "extensions: [.toy]\n",
		       "toy.yaml:8: extensions: '.toy' is not an extension without its dot");
	assert_refused(MINIMAL "env: [A]\n", "toy.yaml:8: env: must be a mapping of names to texts");
	assert_refused(MINIMAL "env: {A=B: c}\n", "toy.yaml:8: env: 'A=B' is not the name of a variable");
	assert_refused(MINIMAL "compile: {command: toyc}\n",
		       "toy.yaml:8: compile.command: must be a list: the program and its arguments");
	assert_refused(MINIMAL "compile: {command: []}\n",
		       "toy.yaml:8: compile.command: must be a list: the program and its arguments");
	assert_refused(MINIMAL "compile: {command: [a, \"{file}\"]}\n",
		       "toy.yaml:8: compile.command: '{file}': {file} is not a placeholder here");
	assert_refused(MINIMAL "compile: {command: [a, \"-x{files}\"]}\n",
		       "toy.yaml:8: compile.command: '-x{files}': {files} is not a placeholder here");
	assert_refused(MINIMAL "compile:\n  command: [a]\n  limits: {memory: 1}\n",
		       "toy.yaml:10: compile.limits: there is no limit 'memory'");
	assert_refused(MINIMAL "compile:\n  command: [a]\n  limits: {cpu_ms: 0}\n",
		       "toy.yaml:10: compile.limits: cpu_ms: at least 1ms");
	assert_refused(MINIMAL "compile:\n  command: [a]\n  keep: [../x]\n",
		       "toy.yaml:10: compile.keep: '../x' is not a relative name without '..'");
	assert_refused(MINIMAL "version: 3\nrequires: [/a]\nversion_from: [\"/usr/bin/a{version}\"]\n",
		       "toy.yaml:1: version_from: the file says the version already");
	assert_refused(MINIMAL "version_from: [\"/usr/bin/a\"]\n",
		       "toy.yaml:8: version_from: '/usr/bin/a' is not an absolute path with {version} in its "
		       "last part");
}

static void assert_warm_argv(const struct language *language, const char *first, const char *second)
{
	char *const *argv = language->warm->engine.argv;

	assert_string_equal(argv[0], first);
	assert_string_equal(argv[1], second);
	assert_null(argv[2]);
}

static void what_is_started_ahead_is_the_first_step_for_the_usual_file(void **state)
{
	struct language language;
	struct err err = ERR_INIT;

	assert_int_equal(parse(MINIMAL "env: {A: \"1\"}\nwarm: {until: files}\n", &language, &err), 0);
	assert_warm_argv(&language, "toy", "main.toy");
	assert_string_equal(language.warm->engine.id, "toy");
	assert_false(language.warm->engine.driver);
	assert_string_equal(language.warm->engine.envp[6], "A=1");
	assert_int_equal(language.warm->engine.limits.value[LIMIT_OPEN_FILES],
			 limit_table[LIMIT_OPEN_FILES].default_ceiling);
	assert_int_equal(language.warm->engine.limits.value[LIMIT_STACK_BYTES],
			 limit_table[LIMIT_STACK_BYTES].default_value);
	language_finish(&language);

	assert_int_equal(parse(MINIMAL "extensions: [toy]\ncompile: {command: [toyc, \"{files}\"]}\n"
				       "warm: {until: files}\n",
			       &language, &err),
			 0);
	assert_warm_argv(&language, "toyc", "main.toy");
	language_finish(&language);
}

static void a_driver_is_started_as_its_command_says(void **state)
{
	struct language language;
	struct err err = ERR_INIT;

	assert_int_equal(parse(MINIMAL "warm: {command: [toy, \"{entry}\"], cold_env: [TOY*], most: 3}\n",
			       &language, &err),
			 0);
	assert_warm_argv(&language, "toy", "{entry}");
	assert_true(language.warm->engine.driver);
	assert_string_equal(language.warm->cold_env[0], "TOY*");
	assert_int_equal(language.warm->engine.most, 3);
	language_finish(&language);
}

static void what_is_started_ahead_must_be_said_in_one_way(void **state)
{
	static const char both_or_none[] = "toy.yaml:8: warm: needs one of `until` and `command`";

	assert_refused(MINIMAL "warm: {}\n", both_or_none);
	assert_refused(MINIMAL "warm: {command: []}\n", both_or_none);
	assert_refused(MINIMAL "warm: {until: files, command: [a]}\n", both_or_none);
	assert_refused(MINIMAL "warm: {until: noon}\n", "toy.yaml:8: warm.until: 'noon' is not 'files'");
	assert_refused(MINIMAL "warm: {until: files, cold_env: [A]}\n",
		       "toy.yaml:8: warm: `cold_env` is about a `command`");
	assert_refused(MINIMAL "warm: {command: [a], cold_env: [A=b]}\n",
		       "toy.yaml:8: warm.cold_env: 'A=b' is not a pattern of names of variables");
	assert_refused(MINIMAL "warm: {until: files, most: 0}\n",
		       "toy.yaml:8: warm.most: '0' is not a number from 1 to 1024");
	assert_refused(MINIMAL "warm: {until: files, most: many}\n",
		       "toy.yaml:8: warm.most: 'many' is not a number from 1 to 1024");
	assert_refused(MINIMAL "warm: [a]\n", "toy.yaml:8: warm: must be a mapping of keys");
}

static void braces_that_are_no_placeholder_are_left_alone(void **state)
{
	struct language language;
	struct err err = ERR_INIT;

	assert_int_equal(parse(MINIMAL "compile: {command: [awk, \"{ print $1 }\", \"{}\", \"{A}\"]}\n",
			       &language, &err),
			 0);
	language_finish(&language);
}

static void two_languages_of_one_name_and_version_are_refused(void **state)
{
	struct language_registry *reg = language_registry_create();
	struct language language;
	struct err err = ERR_INIT;

	add(reg, "toy", "", "");
	add(reg, "toy", "2", "");
	assert_int_equal(parse("id: other\nname: O\naliases: [toy]\nversion: 2\nimage: host\nsource_file: m\n"
			       "run: {command: [x]}\nhello: h\n",
			       &language, &err),
			 0);
	assert_int_equal(language_registry_add(reg, &language, &err), -EINVAL);
	assert_string_equal(err.text,
			    "two languages are named 'toy' in the same version and image: 'N' and 'O'");
	language_finish(&language);
	language_registry_destroy(reg);
}

static void ranges_fit_the_versions_they_should(void **state)
{
	static const struct {
		const char *version, *range;
		bool fits;
	} cases[] = {
		{ "3.11", NULL, true },
		{ "", NULL, true },
		{ "", "*", true },
		{ "", "3", false },
		{ "3.11", "3", true },
		{ "3.11", "3.11", true },
		{ "3.11.2", "3.11", true },
		{ "3.1", "3.11", false },
		{ "3.110", "3.11", false },
		{ "3", "3.11", false },
		{ "3.11", ">=3.9", true },
		{ "3.9", ">=3.9", true },
		{ "3.8.20", ">=3.9", false },
		{ "3.9.5", ">3.9", false },
		{ "3.10", ">3.9", true },
		{ "3.11.5", "<=3.11", true },
		{ "4", "<4", false },
		{ "3.99", "<4", true },
		{ "21.0.3", "17-21", true },
		{ "17", "17-21", true },
		{ "22", "17-21", false },
		{ "16.9", "17-21", false },
		{ "3.11", ">=3.9,<4", true },
		{ "3.11", ">=3.9, <3.11", false },
		{ "3.11", "3.x", true },
		{ "2.7", "3.*", false },
		{ "3.11", "=3.11", true },
		{ "3.11", "abc", false },
		{ "3.11", "", false },
		{ "3.11", ">=", false },
		{ "3.11", "3,", false },
		{ "3.11", ">=3.9 <4", false },
		{ "3.11", "17-", false },
		{ "99999999999999999999999", ">=3", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (language_version_fits(cases[i].version, cases[i].range) != cases[i].fits)
			fail_msg("'%s' in '%s'", cases[i].version, cases[i].range);
	}
}

static void what_is_no_range_is_told_from_one_that_fits_nothing(void **state)
{
	assert_true(language_range_valid(">=3.9,<4"));
	assert_true(language_range_valid("99"));
	assert_true(language_range_valid("*"));
	assert_false(language_range_valid(""));
	assert_false(language_range_valid("latest"));
	assert_false(language_range_valid(">=3..9"));
	assert_false(language_range_valid("1-2-3"));
}

static void the_newest_that_fits_is_found_by_id_and_alias(void **state)
{
	struct language_registry *reg = language_registry_create();

	add(reg, "toy", "3.9", "aliases: [t]\n");
	add(reg, "toy", "3.11", "aliases: [t]\n");
	add(reg, "toy", "2.7", "");
	assert_string_equal(language_find(reg, "toy", NULL)->version, "3.11");
	assert_string_equal(language_find(reg, "t", "<3.11")->version, "3.9");
	assert_string_equal(language_find(reg, "toy", "2")->version, "2.7");
	assert_null(language_find(reg, "t", "2"));
	assert_null(language_find(reg, "tt", NULL));
	language_registry_destroy(reg);
}

static void an_available_one_goes_before_a_newer_one(void **state)
{
	struct language_registry *reg = language_registry_create();

	add(reg, "toy", "3.9", "requires: [/here]\n");
	add(reg, "toy", "3.11", "requires: [/not/here]\n");
	language_registry_probe(reg, "host", exists_one, (void *)"/here");
	assert_string_equal(language_find(reg, "toy", NULL)->version, "3.9");
	assert_string_equal(language_find(reg, "toy", "3.11")->version, "3.11");
	language_registry_destroy(reg);
}

static void any_of_the_alternatives_makes_it_available(void **state)
{
	struct language_registry *reg = language_registry_create();

	add(reg, "toy", "", "requires: [/a|/b]\n");
	language_registry_probe(reg, "host", exists_one, (void *)"/b");
	assert_true(language_find(reg, "toy", NULL)->available);
	language_registry_probe(reg, "host", exists_no, NULL);
	assert_false(language_find(reg, "toy", NULL)->available);
	language_registry_destroy(reg);
}

static void a_probe_of_another_image_changes_nothing(void **state)
{
	struct language_registry *reg = language_registry_create();

	add(reg, "toy", "", "");
	language_registry_probe(reg, "debian", exists_yes, NULL);
	assert_false(language_find(reg, "toy", NULL)->available);
	language_registry_destroy(reg);
}

static void a_file_name_leads_to_the_first_available_language(void **state)
{
	struct language_registry *reg = language_registry_create();

	add(reg, "zeta", "", "extensions: [x]\nrequires: [/z]\n");
	add(reg, "alpha", "", "extensions: [x]\nrequires: [/a]\n");
	assert_null(language_for_file(reg, "prog.x"));
	language_registry_probe(reg, "host", exists_one, (void *)"/z");
	assert_string_equal(language_for_file(reg, "a.d/prog.x")->id, "zeta");
	language_registry_probe(reg, "host", exists_yes, NULL);
	assert_string_equal(language_for_file(reg, "prog.x")->id, "alpha");
	assert_null(language_for_file(reg, "prog"));
	assert_null(language_for_file(reg, "a.x/prog"));
	assert_null(language_for_file(reg, "prog.y"));
	language_registry_destroy(reg);
}

static void languages_come_in_the_order_of_id_and_version(void **state)
{
	struct language_registry *reg = language_registry_create();
	const struct language *at;

	add(reg, "b", "", "");
	add(reg, "a", "10", "");
	add(reg, "a", "9", "");
	at = language_next(reg, NULL);
	assert_string_equal(at->version, "9");
	at = language_next(reg, at);
	assert_string_equal(at->version, "10");
	at = language_next(reg, at);
	assert_string_equal(at->id, "b");
	assert_null(language_next(reg, at));
	language_registry_destroy(reg);
}

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* The version is told by a name of the very same file, by symlink or hard link, never by a mere neighbour. */
static void the_version_of_a_program_is_told_by_its_other_names(void **state)
{
	char dir[] = "/tmp/test-language-XXXXXX";
	char *patterns[2] = { NULL };
	AUTO_FREE char *none = NULL, *linked = NULL, *hard = NULL;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	touch("toy3.12");
	touch("toy3.13");
	assert_int_equal(symlink("toy3.12", "toy"), 0);
	assert_int_equal(symlink("toy", "toy3"), 0);
	assert_int_equal(symlink("toy3.12", "toy-config"), 0);
	assert_true(asprintf(&patterns[0], "%s/toy{version}", dir) > 0);

	assert_int_equal(language_version_probe("toy", patterns, &linked), 0);
	assert_string_equal(linked, "3.12");
	unlink("toy3");
	unlink("toy");
	touch("toy");
	assert_int_equal(language_version_probe("toy", patterns, &none), 0);
	assert_string_equal(none, "");
	assert_int_equal(link("toy", "toy5.36.0"), 0);
	assert_int_equal(language_version_probe("toy", patterns, &hard), 0);
	assert_string_equal(hard, "5.36.0");

	free(patterns[0]);
	unlink("toy");
	unlink("toy3.12");
	unlink("toy3.13");
	unlink("toy5.36.0");
	unlink("toy-config");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_folder_with_a_wrong_file_is_refused_by_its_name(void **state)
{
	char dir[] = "/tmp/test-language-XXXXXX";
	char path[64], expected[192];
	struct language_registry *reg = NULL;
	struct err err = ERR_INIT;
	FILE *out;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/toy.yaml", dir);
	out = fopen(path, "we");
	fputs("id: 7 up\n", out);
	fclose(out);
	assert_int_equal(language_registry_load(dir, &reg, &err), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "%s:1: id: '7 up' is not a name of small letters, digits and + # . _ -", path);
	assert_string_equal(err.text, expected);
	assert_null(reg);
	unlink(path);
	rmdir(dir);
	assert_int_equal(language_registry_load(dir, &reg, &err), -ENOENT);
}

static void every_version_has_the_file_s_keys_under_its_own(void **state)
{
	struct language_list list;
	struct err err = ERR_INIT;

	assert_int_equal(parse_list("id: toy\nname: Toy\naliases: [t]\nsource_file: m.t\n"
				    "env: {A: all, B: all}\n"
				    "compile: {command: [tc], limits: {processes: 9}}\n"
				    "run: {command: [./m], limits: {processes: 7, wall_ms: 1s}}\n"
				    "hello: h\n"
				    "versions:\n"
				    "  - {image: host, requires: [/usr/bin/tc]}\n"
				    "  - {image: toy-2, version: 2, aliases: [t2], env: {B: own},\n"
				    "     run: {command: [./n], limits: {processes: 8}}}\n",
				    &list, &err),
			 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].image, "host");
	assert_null(list.items[0].aliases[1]);
	assert_string_equal(list.items[0].run.command[0], "./m");
	assert_string_equal(list.items[0].run.env[1], "B=all");
	assert_string_equal(list.items[1].id, "toy");
	assert_string_equal(list.items[1].version, "2");
	assert_string_equal(list.items[1].aliases[1], "t2");
	assert_null(list.items[1].requires);
	assert_string_equal(list.items[1].run.command[0], "./n");
	assert_null(list.items[1].run.command[1]);
	assert_int_equal(list.items[1].run.limits.value[LIMIT_PROCESSES], 8);
	assert_int_equal(list.items[1].run.limits.value[LIMIT_WALL_MS], 1000);
	assert_string_equal(list.items[1].compile.command[0], "tc");
	assert_string_equal(list.items[1].run.env[0], "A=all");
	assert_string_equal(list.items[1].run.env[1], "B=own");
	language_list_finish(&list);
}

static void a_mistake_in_a_version_is_named(void **state)
{
	assert_refused(MINIMAL "versions: []\n", "toy.yaml:8: versions: must be a list of versions");
	assert_refused(MINIMAL "versions:\n  - {id: other}\n",
		       "toy.yaml:9: id: is the same for all versions");
	assert_refused(MINIMAL "versions:\n  - {versions: []}\n",
		       "toy.yaml:9: versions: a version cannot have versions");
	assert_refused(MINIMAL "versions:\n  - {compile: {keep: [x]}}\n",
		       "toy.yaml:9: compile: key 'command' is missing");
	assert_refused("id: toy\nname: T\nsource_file: m\nrun: {command: [x]}\nhello: h\nversions:\n  - "
		       "{version: 1}\n",
		       "toy.yaml:7: key 'image' is missing");
	assert_refused(MINIMAL "needs: money\n", "toy.yaml:8: needs: can only be 'registry'");
	assert_refused(MINIMAL "start: {../x: y}\n",
		       "toy.yaml:8: start: '../x' is not a relative name without '..'");
}

static void an_image_of_its_own_goes_before_the_host_in_the_same_version(void **state)
{
	struct language_registry *reg = language_registry_create();

	add(reg, "toy", "2", "versions: [{image: host}, {image: toy}]\n");
	language_registry_probe(reg, "host", exists_yes, NULL);
	assert_string_equal(language_find(reg, "toy", NULL)->image, "host");
	language_registry_probe(reg, "toy", exists_yes, NULL);
	assert_string_equal(language_find(reg, "toy", NULL)->image, "toy");
	language_registry_destroy(reg);
}

static void add_site(struct language_registry *reg, const char *text, int expected)
{
	struct err err = ERR_INIT;

	assert_int_equal(
		language_registry_add_site(reg, "site.yaml", (const uint8_t *)text, strlen(text), &err),
		expected);
}

static void a_site_s_language_takes_the_place_of_kiln_s(void **state)
{
	struct language_registry *reg = language_registry_create();

	add(reg, "toy", "1", "");
	add(reg, "toy", "2", "");
	add(reg, "other", "", "aliases: [o, mine]\n");
	add_site(reg,
		 "id: toy\nname: Own\naliases: [mine]\nimage: host\nsource_file: m\nrun: {command: "
		 "[x]}\nhello: h\n",
		 0);
	assert_string_equal(language_find(reg, "toy", NULL)->name, "Own");
	assert_null(language_find(reg, "toy", "1"));
	assert_string_equal(language_find(reg, "mine", NULL)->id, "toy");
	assert_string_equal(language_find(reg, "o", NULL)->id, "other");
	add_site(reg, "id: toy\n", -EINVAL);
	language_registry_destroy(reg);
}

/* The files that kiln ships. */
static void the_languages_of_kiln_are_right_and_complete(void **state)
{
	static const char names[] =
		"ada bash c clojure coffeescript cpp csharp d elixir fortran fsharp go groovy haskell java "
		"java7 "
		"java8 javascript julia kotlin lolcode lua objective-c ocaml octave pascal perl php python "
		"python2 "
		"r racket ruby rust lisp scala smalltalk swift tcl vbnet whitespace typescript erlang prolog "
		"cobol "
		"assembly scheme sql awk zig nim raku brainfuck gcc c++ python3 py sh pl node nodejs js";
	struct language_registry *reg;
	struct err err = ERR_INIT;
	const struct language *at = NULL;
	char name[32];
	size_t len;

	if (language_registry_load(KILN_TEST_SOURCE "/languages", &reg, &err) < 0)
		fail_msg("%s", err.text);
	for (const char *word = names; *word; word += len + (word[len] == ' ')) {
		len = strcspn(word, " ");
		snprintf(name, sizeof(name), "%.*s", (int)len, word);
		if (!language_find(reg, name, NULL))
			fail_msg("no language answers to '%s'", name);
	}
	while ((at = language_next(reg, at))) {
		if (!at->start.names && !strstr(at->hello, "World") && strcmp(at->id, "whitespace") != 0 &&
		    strcmp(at->id, "brainfuck") != 0)
			fail_msg("the hello of %s does not say it", at->id);
		if (strcmp(at->image, "host") == 0
			    ? !at->requires
			    : !at->needs_registry && !*at->version && strcmp(at->id, "sh") != 0)
			fail_msg("%s in image %s says neither what it requires nor its version", at->id,
				 at->image);
	}
	assert_true(language_find(reg, "vbnet", NULL)->needs_registry);
	language_registry_probe(reg, "host", exists_yes, NULL);
	assert_string_equal(language_for_file(reg, "x.sh")->id, "bash");
	assert_string_equal(language_for_file(reg, "x.c")->id, "c");
	language_registry_destroy(reg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minimal_file_is_read),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(a_mistake_is_named_with_file_line_and_key),
		cmocka_unit_test(what_is_started_ahead_is_the_first_step_for_the_usual_file),
		cmocka_unit_test(a_driver_is_started_as_its_command_says),
		cmocka_unit_test(what_is_started_ahead_must_be_said_in_one_way),
		cmocka_unit_test(braces_that_are_no_placeholder_are_left_alone),
		cmocka_unit_test(two_languages_of_one_name_and_version_are_refused),
		cmocka_unit_test(ranges_fit_the_versions_they_should),
		cmocka_unit_test(what_is_no_range_is_told_from_one_that_fits_nothing),
		cmocka_unit_test(the_newest_that_fits_is_found_by_id_and_alias),
		cmocka_unit_test(an_available_one_goes_before_a_newer_one),
		cmocka_unit_test(any_of_the_alternatives_makes_it_available),
		cmocka_unit_test(a_probe_of_another_image_changes_nothing),
		cmocka_unit_test(a_file_name_leads_to_the_first_available_language),
		cmocka_unit_test(languages_come_in_the_order_of_id_and_version),
		cmocka_unit_test(the_version_of_a_program_is_told_by_its_other_names),
		cmocka_unit_test(a_folder_with_a_wrong_file_is_refused_by_its_name),
		cmocka_unit_test(every_version_has_the_file_s_keys_under_its_own),
		cmocka_unit_test(a_mistake_in_a_version_is_named),
		cmocka_unit_test(an_image_of_its_own_goes_before_the_host_in_the_same_version),
		cmocka_unit_test(a_site_s_language_takes_the_place_of_kiln_s),
		cmocka_unit_test(the_languages_of_kiln_are_right_and_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
