#include "run/language_check.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOP_CPU_MS  1000
#define LOOP_WALL_MS 10000
/* What filling the memory may take on a slow machine. */
#define HOG_MS 60000

static const char hello_output[] = "Hello, World!\n";
/* The second line is there to come back unharmed: umlauts, the euro sign. */
static const char echo_input[] = "one\nzwei \303\244\303\266\303\274 \342\202\254\n";
static const char echo_output[] = "got: one\ngot: zwei \303\244\303\266\303\274 \342\202\254\n";

enum expected {
	EXPECT_VERSION, /* one that fits what the file says */
	EXPECT_OUTPUT,	/* ended well, printed exactly this */
	EXPECT_SUCCESS, /* ended well */
	EXPECT_REFUSAL, /* the compiler, or an interpreter before it runs anything, refuses it and says why */
	EXPECT_FAILURE, /* the program started and failed */
	EXPECT_TIME,	/* ended at a limit of time */
	EXPECT_MEMORY,	/* ended at the memory limit, or by its runtime before that */
};

struct check {
	const char *name;
	enum expected expected;
	size_t sample;	    /* offset in struct language; NO_SAMPLE: none */
	const char *input;  /* NULL: none */
	const char *output; /* of EXPECT_OUTPUT */
	bool lit;	    /* in a language with a traffic light that is `colour` */
	enum light_colour colour;
};

#define SAMPLE(member) offsetof(struct language, member)
#define NO_SAMPLE      SIZE_MAX

static const struct check checks[LANGUAGE_CHECK_COUNT] = {
	[LANGUAGE_CHECK_VERSION] = { "version", EXPECT_VERSION, NO_SAMPLE, NULL, NULL },
	[LANGUAGE_CHECK_START] = { "start", EXPECT_SUCCESS, NO_SAMPLE, NULL, NULL, true, LIGHT_GREEN },
	[LANGUAGE_CHECK_HELLO] = { "hello", EXPECT_OUTPUT, SAMPLE(hello), NULL, hello_output },
	[LANGUAGE_CHECK_ECHO] = { "echo", EXPECT_OUTPUT, SAMPLE(echo), echo_input, echo_output },
	[LANGUAGE_CHECK_COMPILE_ERROR] = { "compile_error", EXPECT_REFUSAL, SAMPLE(compile_error), NULL, NULL,
					   true, LIGHT_AMBER },
	[LANGUAGE_CHECK_RUNTIME_ERROR] = { "runtime_error", EXPECT_FAILURE, SAMPLE(runtime_error), NULL, NULL,
					   true, LIGHT_RED },
	[LANGUAGE_CHECK_ENDLESS_LOOP] = { "endless_loop", EXPECT_TIME, SAMPLE(endless_loop), NULL, NULL },
	[LANGUAGE_CHECK_MEMORY_HOG] = { "memory_hog", EXPECT_MEMORY, SAMPLE(memory_hog), NULL, NULL },
};

const char *language_check_name(enum language_check check)
{
	return checks[check].name;
}

static const char *sample_of(const struct language *language, enum language_check check)
{
	if (checks[check].sample == NO_SAMPLE)
		return NULL;
	return *(char *const *)((const char *)language + checks[check].sample);
}

bool language_check_applies(const struct language *language, enum language_check check)
{
	if (check == LANGUAGE_CHECK_VERSION)
		return language->version_command != NULL;
	if (check == LANGUAGE_CHECK_START)
		return language->start.names != NULL;
	return sample_of(language, check) != NULL;
}

static int add_file(struct run_request *req, const char *name, const char *text, struct err *err)
{
	return request_add_file(req, name, text, strlen(text), 0644, &request_bounds_default, err);
}

/* The start files, with the sample as the source file among them. */
static int add_files(const struct language *language, const char *sample, struct run_request *req,
		     struct err *err)
{
	const struct language_files *start = &language->start;
	int r = 0;

	for (size_t i = 0; r == 0 && start->names && start->names[i]; i++) {
		if (!sample || strcmp(start->names[i], language->source_file) != 0)
			r = add_file(req, start->names[i], start->texts[i], err);
	}
	return r == 0 && sample ? add_file(req, language->source_file, sample, err) : r;
}

static int add_version_step(const struct language *language, struct run_request *req, struct err *err)
{
	req->steps = calloc(1, sizeof(*req->steps));
	if (!req->steps)
		return err_set(err, -ENOMEM, "out of memory");
	req->steps_count = 1;
	req->steps[0].name = strdup("run");
	req->steps[0].command = strv_copy(language->version_command);
	if (!req->steps[0].name || !req->steps[0].command)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int write_request(const struct language *language, enum language_check check, struct run_request *req,
			 struct err *err)
{
	const char *input = checks[check].input;

	req->language = strdup(language->id);
	if (!req->language)
		return err_set(err, -ENOMEM, "out of memory");
	if (input) {
		req->stdin_bytes.data = (uint8_t *)strdup(input);
		if (!req->stdin_bytes.data)
			return err_set(err, -ENOMEM, "out of memory");
		req->stdin_bytes.len = strlen(input);
	}
	if (check == LANGUAGE_CHECK_VERSION)
		return add_version_step(language, req, err);
	req->light.of_language = checks[check].lit && run_light_wanted(&language->light);
	return add_files(language, sample_of(language, check), req, err);
}

int language_check_request(const struct language *language, enum language_check check,
			   struct run_request *ret, struct err *err)
{
	struct run_request req = { 0 };
	int r = write_request(language, check, &req, err);

	if (r < 0)
		request_finish(&req);
	else
		*ret = req;
	return r;
}

static void narrow(int64_t *value, int64_t bound)
{
	if (*value > bound)
		*value = bound;
}

static void widen(int64_t *value, int64_t bound)
{
	if (*value < bound)
		*value = bound;
}

void language_check_limits(enum language_check check, struct run_plan *plan)
{
	struct limits *limits = &plan->steps[plan->steps_count - 1].limits;

	if (checks[check].expected == EXPECT_TIME) {
		narrow(&limits->value[LIMIT_CPU_MS], LOOP_CPU_MS);
		narrow(&limits->value[LIMIT_WALL_MS], LOOP_WALL_MS);
	} else if (checks[check].expected == EXPECT_MEMORY) {
		widen(&limits->value[LIMIT_CPU_MS], HOG_MS);
		widen(&limits->value[LIMIT_WALL_MS], HOG_MS);
	}
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The number with dots at `at`; its length, without a dot behind it. */
static size_t number_len(const struct buf *text, size_t at)
{
	size_t len = 0;

	while (at + len < text->len && (is_digit(text->data[at + len]) || text->data[at + len] == '.'))
		len++;
	while (len > 0 && text->data[at + len - 1] == '.')
		len--;
	return len;
}

/* The first number, of those with a dot if `dotted`. */
static bool find_version(const struct buf *text, bool dotted, char ret[LANGUAGE_VERSION_MAX])
{
	size_t len;

	for (size_t at = 0; at<text->len; at += len> 0 ? len : 1) {
		len = is_digit(text->data[at]) ? number_len(text, at) : 0;
		if (len == 0 || len >= LANGUAGE_VERSION_MAX || (dotted && !memchr(text->data + at, '.', len)))
			continue;
		snprintf(ret, LANGUAGE_VERSION_MAX, "%.*s", (int)len, (const char *)text->data + at);
		return true;
	}
	return false;
}

void language_check_version(const struct run_result *result, char ret[LANGUAGE_VERSION_MAX])
{
	const struct step_result *step;

	ret[0] = '\0';
	if (result->steps_count == 0)
		return;
	step = &result->steps[result->steps_count - 1];
	/* Some say it on stderr; a number without a dot may be part of a name. */
	if (!find_version(&step->out, true, ret) && !find_version(&step->err, true, ret) &&
	    !find_version(&step->out, false, ret))
		find_version(&step->err, false, ret);
}

/* The first line that a step printed, of stderr rather than stdout. */
static void first_line(const struct step_result *step, char *ret, size_t size)
{
	const struct buf *text = step->err.len > 0 ? &step->err : &step->out;
	size_t len = 0;

	while (len < text->len && text->data[len] != '\n')
		len++;
	snprintf(ret, size, "%.*s", len > 160 ? 160 : (int)len, text->len ? (const char *)text->data : "");
}

/* Fills `why` in with what happened instead; false. */
static bool differs(const struct run_result *result, const char *wanted, char *why, size_t size)
{
	const struct step_result *step = result->steps_count ? &result->steps[result->steps_count - 1] : NULL;
	char line[176] = "";

	if (step)
		first_line(step, line, sizeof(line));
	snprintf(why, size, "%s: the outcome is %s%s%s%s%s", wanted, run_outcome_name(result->outcome),
		 step ? " in step " : "", step ? step->name : "", *line ? ": " : "", line);
	return false;
}

static bool printed(const struct run_result *result, const char *text)
{
	const struct buf *out = &result->steps[result->steps_count - 1].out;

	return out->len == strlen(text) && memcmp(out->data, text, out->len) == 0;
}

static bool judge_version(const struct language *language, const struct run_result *result, char *why,
			  size_t size)
{
	char version[LANGUAGE_VERSION_MAX];

	language_check_version(result, version);
	if (result->outcome != RUN_OK || !*version)
		return differs(result, "says no version", why, size);
	if (*language->version && !language_version_fits(version, language->version)) {
		snprintf(why, size, "is version %s, not %s", version, language->version);
		return false;
	}
	return true;
}

static bool judge_output(const struct run_result *result, const char *text, char *why, size_t size)
{
	if (result->outcome != RUN_OK)
		return differs(result, "did not end well", why, size);
	return printed(result, text) || differs(result, "printed something else", why, size);
}

/* True when the step that runs the program was reached. */
static bool program_ran(const struct language *language, const struct run_result *result)
{
	return result->steps_count == (language->compile.command ? 2 : 1);
}

static bool failed(const struct run_result *result)
{
	return result->outcome == RUN_FAILED || result->outcome == RUN_SIGNALED;
}

static bool judge_refusal(const struct language *language, const struct run_result *result, char *why,
			  size_t size)
{
	const struct step_result *step = &result->steps[result->steps_count - 1];
	bool refused = language->compile.command ? result->outcome == RUN_COMPILE_FAILED : failed(result);

	if (!refused)
		return differs(result, "was not refused", why, size);
	return step->out.len + step->err.len > 0 || differs(result, "was refused in silence", why, size);
}

static bool judge_light(const struct language *language, enum language_check check,
			const struct run_result *result, char *why, size_t size)
{
	const struct run_light_result *light = &result->light;

	if (!checks[check].lit || !run_light_wanted(&language->light))
		return true;
	if (light->judged && light->colour == checks[check].colour)
		return true;
	snprintf(why, size, "its traffic light is %s, not %s%s%s", light_colour_name(light->colour),
		 light_colour_name(checks[check].colour), *light->reason ? ": " : "", light->reason);
	return false;
}

static bool judge_outcome(const struct language *language, enum language_check check,
			  const struct run_result *result, char *why, size_t size)
{
	enum run_outcome outcome = result->outcome;
	bool ran = program_ran(language, result);

	if (outcome == RUN_ENGINE_ERROR || result->steps_count == 0)
		return differs(result, "could not be run", why, size);
	switch (checks[check].expected) {
	case EXPECT_VERSION:
		return judge_version(language, result, why, size);
	case EXPECT_OUTPUT:
		return judge_output(result, checks[check].output, why, size);
	case EXPECT_SUCCESS:
		return outcome == RUN_OK || differs(result, "did not end well", why, size);
	case EXPECT_REFUSAL:
		return judge_refusal(language, result, why, size);
	case EXPECT_FAILURE:
		return (ran && failed(result)) || differs(result, "did not fail", why, size);
	case EXPECT_TIME:
		return (ran && (outcome == RUN_CPU_TIME_EXCEEDED || outcome == RUN_WALL_TIME_EXCEEDED)) ||
		       differs(result, "was not ended by time", why, size);
	case EXPECT_MEMORY:
		return (ran && (outcome == RUN_MEMORY_EXCEEDED || failed(result))) ||
		       differs(result, "was not ended by memory", why, size);
	}
	return false;
}

bool language_check_judge(const struct language *language, enum language_check check,
			  const struct run_result *result, char *why, size_t size)
{
	return judge_outcome(language, check, result, why, size) &&
	       judge_light(language, check, result, why, size);
}
