/* Golden tests: each makes a plan, prints the whole of it and compares the text. */
#include "run/plan.h"

#include "run/language_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BASE_ENV                                                                                             \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "                                 \
	"HOME=/home/sandbox USER=sandbox LOGNAME=sandbox LANG=C.UTF-8 PWD=/sandbox"

static const char *const language_files[] = {
	"id: c\nname: C\nversion: 12\nimage: host\nsource_file: main.c\nextensions: [c]\n"
	"compile:\n  command: [gcc, -o, main, \"{files}\", -lm]\n"
	"  limits: {cpu_ms: 15s, wall_ms: 30s, memory_bytes: 1GiB, disk_bytes: 256MiB}\n  keep: [main]\n"
	"run: {command: [./main], limits: {memory_bytes: 256MiB}}\nhello: h\n",

	"id: toy\nname: Toy\naliases: [t]\nversion: 3.11\nimage: host\nsource_file: main.toy\nextensions: "
	"[toy]\n"
	"env: {TOY: \"1\", COLOUR: red}\n"
	"run: {command: [toy, \"-I{dir}\", \"--out={stem}.o\", \"{entry}\"], limits: {memory_bytes: "
	"8GiB}}\nhello: h\n",

	"id: gone\nname: Gone\nimage: host\nsource_file: m\nrequires: [/nowhere]\nrun: {command: "
	"[gone]}\nhello: h\n",

	"id: eager\nname: Eager\nversion: 1\nimage: host\nsource_file: main.e\nenv: {E: \"1\"}\n"
	"warm: {until: files}\nrun: {command: [eager, \"{entry}\"]}\nhello: h\n",

	"id: driven\nname: Driven\nversion: 1\nimage: host\nsource_file: main.d\nextensions: [d]\n"
	"warm: {command: [driver], cold_env: [DRIVEN_*]}\nrun: {command: [driven, \"{files}\"]}\nhello: h\n",

	"id: java\nname: Java\nimage: host\nsource_file: Main.java\nextensions: [java]\nsource_class: java\n"
	"compile: {command: [javac, \"{files}\"], limits: {memory_bytes: 1GiB}}\n"
	"run: {command: [java, \"-Xmx{heap_mib}m\", \"{class}\"], limits: {memory_bytes: 100MiB}}\nhello: "
	"h\n",

	"id: far\nname: Far\nimage: moon\nsource_file: m\nrun: {command: [far]}\nhello: h\n",
};

struct fixture {
	struct language_registry *languages;
	struct plan_context context;
	struct run_request req;
	struct run_plan *plan;
	struct err err;
};

static const char *image_find(void *user, const char *name)
{
	static const char *const images[] = { "host", "debian" };

	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		if (strcmp(name, images[i]) == 0)
			return images[i];
	}
	return strcmp(name, "debian:latest") == 0 ? images[1] : NULL;
}

static bool exists(void *user, const char *path)
{
	return strcmp(path, "/nowhere") != 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct language_list list;

	f->languages = language_registry_create();
	for (size_t i = 0; i < ARRAY_LEN(language_files); i++) {
		if (language_parse("test", (const uint8_t *)language_files[i], strlen(language_files[i]),
				   &list, &f->err) < 0 ||
		    language_registry_add(f->languages, &list.items[0], &f->err) < 0)
			fail_msg("%s", f->err.text);
		language_list_finish(&list);
	}
	language_registry_probe(f->languages, "host", exists, NULL);
	f->context.languages = f->languages;
	f->context.image_find = image_find;
	for (int i = 0; i < LIMIT_COUNT; i++)
		f->context.ceilings.value[i] = limit_table[i].default_ceiling;
	*state = f;
	return 0;
}

static void request_clear(struct run_request *req)
{
	free(req->language);
	free(req->version_range);
	free(req->image);
	for (size_t i = 0; i < req->files_count; i++) {
		free(req->files[i].name);
		free(req->files[i].data);
	}
	free(req->files);
	free(req->entry);
	strv_free(req->args);
	free(req->stdin_bytes.data);
	strv_free(req->env);
	for (size_t i = 0; i < req->steps_count; i++) {
		free(req->steps[i].name);
		strv_free(req->steps[i].command);
		free(req->steps[i].image);
		free(req->steps[i].stdin_bytes.data);
		strv_free(req->steps[i].env);
		strv_free(req->steps[i].keep);
	}
	free(req->steps);
	strv_free(req->collect_globs);
	*req = (struct run_request){ 0 };
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	request_clear(&f->req);
	plan_destroy(f->plan);
	language_registry_destroy(f->languages);
	free(f);
	return 0;
}

static void add(char ***v, const char *text)
{
	assert_int_equal(strv_append(v, text, strlen(text)), 0);
}

static struct run_bytes bytes(const char *text)
{
	return (struct run_bytes){ .data = (uint8_t *)strdup(text), .len = strlen(text) };
}

static void add_file(struct run_request *req, const char *name, const char *text)
{
	struct run_bytes content = bytes(text);

	req->files = reallocarray(req->files, req->files_count + 1, sizeof(*req->files));
	req->files[req->files_count++] = (struct run_file){
		.name = strdup(name), .data = content.data, .len = content.len, .mode = 0644
	};
}

static struct run_step_request *add_step(struct run_request *req, const char *name, const char *program)
{
	struct run_step_request *step;

	req->steps = reallocarray(req->steps, req->steps_count + 1, sizeof(*req->steps));
	step = &req->steps[req->steps_count++];
	*step = (struct run_step_request){ .name = name ? strdup(name) : NULL };
	if (program)
		add(&step->command, program);
	return step;
}

static void print_texts(struct buf *b, const char *title, char *const *texts)
{
	assert_int_equal(buf_printf(b, "  %s", title), 0);
	for (size_t i = 0; texts && texts[i]; i++)
		assert_int_equal(buf_printf(b, " %s", texts[i]), 0);
	assert_int_equal(buf_append_str(b, "\n"), 0);
}

/* Prints the limits that are not kiln's defaults. */
static void print_limits(struct buf *b, const struct limits *limits)
{
	assert_int_equal(buf_append_str(b, "  limits"), 0);
	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (limits->value[i] != limit_table[i].default_value)
			assert_int_equal(
				buf_printf(b, " %s=%lld", limit_table[i].name, (long long)limits->value[i]),
				0);
	}
	assert_int_equal(buf_append_str(b, "\n"), 0);
}

static void print_plan(struct buf *b, const struct run_plan *plan)
{
	assert_int_equal(buf_printf(b, "language %s, files", plan->language ?: "none"), 0);
	for (size_t i = 0; i < plan->files_count; i++)
		assert_int_equal(buf_printf(b, " %s", plan->files[i].name), 0);
	assert_int_equal(buf_append_str(b, "\n"), 0);
	for (size_t i = 0; i < plan->steps_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		assert_int_equal(
			buf_printf(b, "%s in %s%s\n", step->name, step->image, step->fresh ? ", fresh" : ""),
			0);
		print_texts(b, "argv", step->argv);
		print_texts(b, "envp", step->envp);
		print_limits(b, &step->limits);
		print_texts(b, "keep", step->keep);
		assert_int_equal(buf_printf(b, "  stdin '%.*s'\n", (int)step->stdin_bytes.len,
					    step->stdin_bytes.data ? (char *)step->stdin_bytes.data : ""),
				 0);
	}
}

static void assert_plan(struct fixture *f, const char *expected)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	if (plan_make(&f->req, &f->context, &f->plan, &f->err) < 0)
		fail_msg("%s", f->err.text);
	print_plan(&b, f->plan);
	assert_string_equal((char *)b.data, expected);
}

static void assert_refused(struct fixture *f, enum err_kind kind, const char *slug, const char *field,
			   const char *text)
{
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), -EINVAL);
	assert_null(f->plan);
	assert_string_equal(f->err.text, text);
	assert_string_equal(f->err.field, field);
	assert_string_equal(f->err.slug, slug);
	assert_int_equal(f->err.kind, kind);
}

static void a_compiled_language_has_two_steps_in_one_sandbox(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("c");
	add_file(&f->req, "util.h", "");
	add_file(&f->req, "main.c", "");
	add_file(&f->req, "lib/util.c", "");
	add_file(&f->req, "-x.c", "");
	add(&f->req.args, "one");
	add(&f->req.args, "");
	add(&f->req.env, "COLOUR=blue");
	f->req.stdin_bytes = bytes("input");
	assert_plan(f, "language c, files util.h main.c lib/util.c -x.c\n"
		       "compile in host\n"
		       "  argv gcc -o main main.c lib/util.c ./-x.c -lm\n"
		       "  envp " BASE_ENV "\n"
		       "  limits wall_ms=30000 cpu_ms=15000 memory_bytes=1073741824 disk_bytes=268435456\n"
		       "  keep main\n"
		       "  stdin ''\n"
		       "run in host\n"
		       "  argv ./main one \n"
		       "  envp " BASE_ENV " COLOUR=blue\n"
		       "  limits disk_bytes=268435456\n"
		       "  keep\n"
		       "  stdin 'input'\n");
}

static void an_interpreted_language_has_one_step_with_its_placeholders_filled(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("t");
	f->req.version_range = strdup(">=3.9");
	f->req.entry = strdup("src/prog.v2.toy");
	add_file(&f->req, "main.toy", "");
	add_file(&f->req, "src/prog.v2.toy", "");
	add(&f->req.env, "COLOUR=blue");
	f->context.ceilings.value[LIMIT_MEMORY_BYTES] = 1 << 30;
	/* The language would like 8 GiB; what no request asked for is cut at the ceiling, not refused. */
	assert_plan(f, "language toy, files main.toy src/prog.v2.toy\n"
		       "run in host\n"
		       "  argv toy -Isrc --out=src/prog.v2.o src/prog.v2.toy\n"
		       "  envp " BASE_ENV " TOY=1 COLOUR=blue\n"
		       "  limits memory_bytes=1073741824\n"
		       "  keep\n"
		       "  stdin ''\n");
}

static void the_plan_takes_the_bytes_and_leaves_the_request_without(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	add_file(&f->req, "a.toy", "text");
	f->req.stdin_bytes = bytes("input");
	f->req.collect = COLLECT_GLOBS;
	add(&f->req.collect_globs, "*.o");
	f->req.network_loopback = true;
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_null(f->req.files);
	assert_int_equal(f->req.files_count, 0);
	assert_null(f->req.stdin_bytes.data);
	assert_null(f->req.collect_globs);
	assert_memory_equal(f->plan->files[0].data, "text", 4);
	assert_int_equal(f->plan->collect, COLLECT_GLOBS);
	assert_string_equal(f->plan->collect_globs[0], "*.o");
	assert_true(f->plan->network_loopback);
}

static void the_entry_is_the_source_file_else_the_first_file(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	add_file(&f->req, "other", "");
	add_file(&f->req, "main.toy", "");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_string_equal(f->plan->steps[0].argv[3], "main.toy");
	plan_destroy(f->plan);

	add_file(&f->req, "folder", "");
	f->req.files[0].is_dir = true;
	add_file(&f->req, "-other", "");
	add_file(&f->req, "third.toy", "");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_string_equal(f->plan->steps[0].argv[2], "--out=./-other.o");
	assert_string_equal(f->plan->steps[0].argv[3], "./-other");
}

static void a_java_source_is_named_after_its_public_class(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("java");
	add_file(&f->req, "src/x.java", "package a; public class Foo { void main() {} }");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_string_equal(f->plan->files[0].name, "src/Foo.java");
	assert_string_equal(f->plan->steps[0].argv[1], "src/Foo.java");
	assert_string_equal(f->plan->steps[1].argv[2], "a.Foo");
}

static void a_java_source_whose_name_is_taken_keeps_its_own(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("java");
	f->req.entry = strdup("x.java");
	add_file(&f->req, "x.java", "public class Foo { }");
	add_file(&f->req, "Foo.java", "class Bar { }");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_string_equal(f->plan->files[0].name, "x.java");
	assert_string_equal(f->plan->steps[1].argv[2], "Foo");
}

static void of_several_java_sources_the_one_with_main_is_run(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("java");
	add_file(&f->req, "Lib.java", "public class Lib { }");
	add_file(&f->req, "App.java", "class App { public static void main(String[] a) {} }");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_string_equal(f->plan->steps[1].argv[2], "App");
}

static void a_java_request_that_is_refused_has_its_names_still(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("java");
	f->req.limits.value[LIMIT_DISK_BYTES] = 65536;
	add_file(&f->req, "x.java", "public class Foo { }");
	f->req.files[0].len = 100000;
	f->req.files[0].data = realloc(f->req.files[0].data, 100000);
	memset(f->req.files[0].data + 20, ' ', 100000 - 20);
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), -EINVAL);
	assert_string_equal(f->err.field, "limits.disk_bytes");
	assert_string_equal(f->req.files[0].name, "x.java");
	f->plan = NULL;
}

static void the_heap_is_a_share_of_the_memory_that_the_step_has(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("java");
	add_file(&f->req, "Main.java", "");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_string_equal(f->plan->steps[1].argv[1], "-Xmx70m");
	assert_string_equal(f->plan->steps[1].argv[2], "Main");
}

static void steps_of_an_image_run_as_they_are_given(void **state)
{
	struct fixture *f = *state;
	struct run_step_request *step;

	f->req.image = strdup("debian:latest");
	add_file(&f->req, "Makefile", "");
	f->req.limits.value[LIMIT_CPU_MS] = 2000;
	f->req.stdin_bytes = bytes("input");
	add(&f->req.env, "A=request");
	add(&f->req.env, "B=request");
	add(&f->req.args, "tail");
	step = add_step(&f->req, "compile", "make");
	add(&step->command, "{files}");
	add(&step->keep, "a.out");
	step->limits.value[LIMIT_DISK_BYTES] = 128 << 20;
	step = add_step(&f->req, NULL, "true");
	step = add_step(&f->req, NULL, "./a.out");
	step->image = strdup("host");
	step->limits.value[LIMIT_CPU_MS] = 3000;
	add(&step->env, "A=step");
	add(&step->env, "PATH=/bin");
	assert_plan(
		f,
		"language none, files Makefile\n"
		"compile in debian\n"
		"  argv make {files}\n"
		"  envp " BASE_ENV "\n"
		"  limits cpu_ms=2000 disk_bytes=134217728\n"
		"  keep a.out\n"
		"  stdin ''\n"
		"step2 in debian\n"
		"  argv true\n"
		"  envp " BASE_ENV "\n"
		"  limits cpu_ms=2000 disk_bytes=134217728\n"
		"  keep\n"
		"  stdin ''\n"
		"run in host, fresh\n"
		"  argv ./a.out tail\n"
		"  envp PATH=/bin HOME=/home/sandbox USER=sandbox LOGNAME=sandbox LANG=C.UTF-8 PWD=/sandbox "
		"A=step B=request\n"
		"  limits cpu_ms=3000\n"
		"  keep\n"
		"  stdin 'input'\n");
}

static void a_step_with_its_own_stdin_keeps_it(void **state)
{
	struct fixture *f = *state;
	struct run_step_request *step;

	f->req.image = strdup("host");
	f->req.stdin_bytes = bytes("of the run");
	step = add_step(&f->req, "first", "cat");
	step->has_stdin = true;
	step->stdin_bytes = bytes("one");
	step = add_step(&f->req, "last", "cat");
	step->has_stdin = true;
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_memory_equal(f->plan->steps[0].stdin_bytes.data, "one", 3);
	assert_int_equal(f->plan->steps[1].stdin_bytes.len, 0);
	assert_null(f->req.steps[0].stdin_bytes.data);
}

static void steps_replace_the_language_s_own_but_have_its_image_env_and_limits(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	f->context.ceilings.value[LIMIT_MEMORY_BYTES] = 1 << 30;
	add_step(&f->req, "test", "toytest");
	assert_plan(f, "language toy, files\n"
		       "test in host\n"
		       "  argv toytest\n"
		       "  envp " BASE_ENV " TOY=1 COLOUR=red\n"
		       "  limits memory_bytes=1073741824\n"
		       "  keep\n"
		       "  stdin ''\n");
}

static void limits_of_the_request_apply_to_every_step(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("c");
	add_file(&f->req, "main.c", "");
	f->req.limits.value[LIMIT_MEMORY_BYTES] = 32 << 20;
	f->req.limits.value[LIMIT_DISK_BYTES] = 1 << 20;
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(f->plan->steps[i].limits.value[LIMIT_MEMORY_BYTES], 32 << 20);
		assert_int_equal(f->plan->steps[i].limits.value[LIMIT_DISK_BYTES], 1 << 20);
	}
}

static void a_limit_over_its_ceiling_is_refused(void **state)
{
	struct fixture *f = *state;

	f->req.image = strdup("host");
	add_step(&f->req, "a", "a");
	add_step(&f->req, "b", "b")->limits.value[LIMIT_CPU_MS] = 120001;
	assert_refused(f, ERR_IMPOSSIBLE, "limit_too_high", "steps[1].limits.cpu_ms",
		       "steps[1].limits.cpu_ms: 120001 is over the ceiling of this node, 120000");
	f->req.limits.value[LIMIT_MEMORY_BYTES] = (4LL << 30) + 1;
	assert_refused(f, ERR_IMPOSSIBLE, "limit_too_high", "limits.memory_bytes",
		       "limits.memory_bytes: 4294967297 is over the ceiling of this node, 4294967296");
}

static void a_limit_under_its_minimum_is_refused(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	f->req.limits.value[LIMIT_MEMORY_BYTES] = 4096;
	assert_refused(f, ERR_IMPOSSIBLE, "limit_too_low", "limits.memory_bytes",
		       "limits.memory_bytes: 4096 is under the minimum, 4194304");
	f->req.limits.value[LIMIT_MEMORY_BYTES] = INT64_MIN;
	assert_refused(f, ERR_IMPOSSIBLE, "limit_too_low", "limits.memory_bytes",
		       "limits.memory_bytes: -9223372036854775808 is under the minimum, 4194304");
}

static void limits_at_their_bounds_are_taken(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	add_file(&f->req, "main.toy", "");
	f->req.limits.value[LIMIT_MEMORY_BYTES] = 4LL << 30;
	f->req.limits.value[LIMIT_WALL_MS] = 1;
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	assert_int_equal(f->plan->steps[0].limits.value[LIMIT_MEMORY_BYTES], 4LL << 30);
	assert_int_equal(f->plan->steps[0].limits.value[LIMIT_WALL_MS], 1);
}

static void an_unknown_language_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *language, *range;
		enum err_kind kind;
		const char *slug, *text;
	} cases[] = {
		{ "klingon", NULL, ERR_UNKNOWN, "language_unknown", "there is no language 'klingon'" },
		{ "klingon", "3", ERR_UNKNOWN, "language_unknown", "there is no language 'klingon'" },
		{ "toy", "4", ERR_UNKNOWN, "language_unknown",
		  "no version of language 'toy' here fits '4': the newest is 3.11" },
		{ "toy", "new", ERR_MALFORMED, "version_range_malformed",
		  "'new' is not a range of versions" },
		{ "gone", "4", ERR_UNKNOWN, "language_unknown",
		  "the version of language 'gone' on this node is not known, so that '4' cannot be "
		  "promised" },
		{ "gone", NULL, ERR_UNKNOWN, "language_unavailable",
		  "language 'gone' is not installed in image 'host' of this node" },
		{ "far", NULL, ERR_UNKNOWN, "language_unavailable",
		  "language 'far' needs image 'moon', which this node does not have: `kiln image build` "
		  "or `kiln image pull` makes it" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->req.language = strdup(cases[i].language);
		f->req.version_range = cases[i].range ? strdup(cases[i].range) : NULL;
		assert_refused(f, cases[i].kind, cases[i].slug, "language", cases[i].text);
		request_clear(&f->req);
	}
}

static void an_unknown_image_is_refused_where_it_stands(void **state)
{
	struct fixture *f = *state;

	f->req.image = strdup("mars");
	add_step(&f->req, "a", "a");
	assert_refused(f, ERR_UNKNOWN, "image_unknown", "image", "there is no image 'mars' on this node");
	free(f->req.image);
	f->req.image = strdup("host");
	add_step(&f->req, "b", "b")->image = strdup("venus");
	assert_refused(f, ERR_UNKNOWN, "image_unknown", "steps[1].image",
		       "steps[1].image: there is no image 'venus' on this node");
}

static void a_run_of_nothing_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, ERR_IMPOSSIBLE, "nothing_to_run", "language",
		       "a run needs `language`, or `image` with `steps`");
	f->req.image = strdup("host");
	assert_refused(f, ERR_IMPOSSIBLE, "nothing_to_run", "steps",
		       "a run of an image needs `steps` that say what to run");
	add_step(&f->req, "a", NULL);
	assert_refused(f, ERR_IMPOSSIBLE, "nothing_to_run", "steps[0].command",
		       "steps[0].command: names no program");
	add(&f->req.steps[0].command, "");
	assert_refused(f, ERR_IMPOSSIBLE, "nothing_to_run", "steps[0].command",
		       "steps[0].command: names no program");
}

static void a_language_without_a_fitting_file_is_refused(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	assert_refused(f, ERR_IMPOSSIBLE, "nothing_to_run", "files",
		       "there are no files: language 'toy' needs one to run, such as main.toy");
	free(f->req.language);
	f->req.language = strdup("c");
	add_file(&f->req, "main.h", "");
	assert_refused(f, ERR_IMPOSSIBLE, "nothing_to_run", "files",
		       "none of the files is source of language 'c', such as main.c");
}

static void an_entry_must_be_a_file_of_the_request(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	f->req.entry = strdup("dir");
	add_file(&f->req, "main.toy", "");
	add_file(&f->req, "dir", "");
	f->req.files[1].is_dir = true;
	assert_refused(f, ERR_IMPOSSIBLE, "entry_unknown", "entry", "entry 'dir' is not among the files");
}

static void files_must_fit_the_disk_in_whole_pages(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	f->req.limits.value[LIMIT_DISK_BYTES] = 64 * 1024;
	add_file(&f->req, "main.toy", "");
	for (int i = 0; i < 16; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		add_file(&f->req, name, "x");
	}
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	plan_destroy(TAKE_PTR(f->plan));

	add_file(&f->req, "main.toy", "");
	f->req.files[0].len = 64 * 1024 + 1;
	assert_refused(f, ERR_IMPOSSIBLE, "limit_too_low", "limits.disk_bytes",
		       "limits.disk_bytes: 65536 is less than the files of the request need, 69632");
	f->req.files[0].len = 0;
}

static void more_than_64_steps_are_refused(void **state)
{
	struct fixture *f = *state;

	f->req.image = strdup("host");
	for (int i = 0; i < 64; i++)
		add_step(&f->req, "a", "a");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), 0);
	plan_destroy(TAKE_PTR(f->plan));
	add_step(&f->req, "a", "a");
	assert_refused(f, ERR_IMPOSSIBLE, "too_many_steps", "steps", "65 steps are more than 64");
}

static void a_refused_request_is_still_whole(void **state)
{
	struct fixture *f = *state;

	f->req.language = strdup("toy");
	f->req.entry = strdup("absent");
	add_file(&f->req, "main.toy", "text");
	f->req.stdin_bytes = bytes("input");
	assert_int_equal(plan_make(&f->req, &f->context, &f->plan, &f->err), -EINVAL);
	assert_int_equal(f->req.files_count, 1);
	assert_memory_equal(f->req.files[0].data, "text", 4);
	assert_int_equal(f->req.stdin_bytes.len, 5);
}

/* Whether the plan of what stands in the request asks for what its language starts ahead; empties the request. */
static bool is_hot(struct fixture *f)
{
	bool hot;

	if (plan_make(&f->req, &f->context, &f->plan, &f->err) < 0)
		fail_msg("%s", f->err.text);
	hot = f->plan->steps[0].hot;
	assert_true(hot == (f->plan->warm != NULL));
	for (size_t i = 1; i < f->plan->steps_count; i++)
		assert_false(f->plan->steps[i].hot);
	plan_destroy(f->plan);
	f->plan = NULL;
	request_clear(&f->req);
	f->req.language = strdup("eager");
	add_file(&f->req, "main.e", "");
	return hot;
}

static void a_step_is_hot_when_it_is_just_what_its_language_starts_ahead(void **state)
{
	struct fixture *f = *state;

	f->context.hot = true;
	f->req.language = strdup("toy");
	add_file(&f->req, "main.toy", "");
	assert_false(is_hot(f));
	assert_true(is_hot(f));
	f->req.stdin_bytes = bytes("input");
	add_file(&f->req, "other.e", "");
	assert_true(is_hot(f));
	add(&f->req.env, "E=1");
	assert_true(is_hot(f));
	add(&f->req.env, "E=2");
	assert_false(is_hot(f));
	add(&f->req.env, "F=1");
	assert_false(is_hot(f));
	add(&f->req.args, "word");
	assert_false(is_hot(f));
	add_file(&f->req, "other.e", "");
	f->req.entry = strdup("other.e");
	assert_false(is_hot(f));
	add_step(&f->req, "run", "eager");
	add(&f->req.steps[0].command, "main.e");
	assert_false(is_hot(f));
	f->context.hot = false;
	assert_false(is_hot(f));
}

static void a_step_is_hot_with_limits_that_can_be_set_when_it_has_booted(void **state)
{
	static const struct {
		enum limit_id limit;
		int64_t value;
		bool hot;
	} cases[] = {
		{ LIMIT_WALL_MS, 1000, true },		{ LIMIT_CPU_MS, 1000, true },
		{ LIMIT_MEMORY_BYTES, 64 << 20, true }, { LIMIT_PROCESSES, 1, true },
		{ LIMIT_FILE_BYTES, 1 << 20, true },	{ LIMIT_OPEN_FILES, 64, true },
		{ LIMIT_STACK_BYTES, 8 << 20, false },
	};
	struct fixture *f = *state;

	f->context.hot = true;
	f->req.language = strdup("eager");
	add_file(&f->req, "main.e", "");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->req.limits.value[cases[i].limit] = cases[i].value;
		if (is_hot(f) != cases[i].hot)
			fail_msg("%s", limit_table[cases[i].limit].name);
		f->req.limits = (struct limits){ 0 };
	}
	/* More than it booted with cannot be had later. */
	f->context.ceilings.value[LIMIT_OPEN_FILES] = INT64_MAX;
	f->req.limits.value[LIMIT_OPEN_FILES] = limit_table[LIMIT_OPEN_FILES].default_ceiling + 1;
	assert_false(is_hot(f));
}

static void a_driver_takes_what_it_need_not_know_as_it_boots(void **state)
{
	static const struct {
		const char *env;
		int64_t open_files;
		bool hot;
	} cases[] = { { "A=b", 0, true },
		      { "DRIVEN_PATH=/x", 0, false },
		      { "LD_PRELOAD=x", 0, false },
		      { "MALLOC_CHECK_=3", 0, false },
		      { "GLIBC_TUNABLES=x", 0, false },
		      { "DRIVE=x", 64, true },
		      { "DRIVE=y", 63, false } };
	struct fixture *f = *state;

	f->context.hot = true;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		request_clear(&f->req);
		f->req.language = strdup("driven");
		add_file(&f->req, "any.d", "");
		add(&f->req.args, "word");
		add(&f->req.env, cases[i].env);
		f->req.limits.value[LIMIT_OPEN_FILES] = cases[i].open_files;
		if (is_hot(f) != cases[i].hot)
			fail_msg("%s %d", cases[i].env, (int)cases[i].open_files);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_compiled_language_has_two_steps_in_one_sandbox),
		T(an_interpreted_language_has_one_step_with_its_placeholders_filled),
		T(the_plan_takes_the_bytes_and_leaves_the_request_without),
		T(the_entry_is_the_source_file_else_the_first_file),
		T(a_java_source_is_named_after_its_public_class),
		T(a_java_source_whose_name_is_taken_keeps_its_own),
		T(of_several_java_sources_the_one_with_main_is_run),
		T(a_java_request_that_is_refused_has_its_names_still),
		T(the_heap_is_a_share_of_the_memory_that_the_step_has),
		T(steps_of_an_image_run_as_they_are_given),
		T(a_step_with_its_own_stdin_keeps_it),
		T(steps_replace_the_language_s_own_but_have_its_image_env_and_limits),
		T(limits_of_the_request_apply_to_every_step),
		T(a_limit_over_its_ceiling_is_refused),
		T(a_limit_under_its_minimum_is_refused),
		T(limits_at_their_bounds_are_taken),
		T(an_unknown_language_is_refused_with_the_reason),
		T(an_unknown_image_is_refused_where_it_stands),
		T(a_run_of_nothing_is_refused),
		T(a_language_without_a_fitting_file_is_refused),
		T(an_entry_must_be_a_file_of_the_request),
		T(files_must_fit_the_disk_in_whole_pages),
		T(more_than_64_steps_are_refused),
		T(a_refused_request_is_still_whole),
		T(a_step_is_hot_when_it_is_just_what_its_language_starts_ahead),
		T(a_step_is_hot_with_limits_that_can_be_set_when_it_has_booted),
		T(a_driver_takes_what_it_need_not_know_as_it_boots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
