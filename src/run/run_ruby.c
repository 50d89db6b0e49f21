/*
 * How it works: the lambda, both streams and the status are files of a run whose one step is Ruby with the program
 * below. What that prints is its class of end, an exception's class and a message, a line each but the last. The lambda
 * could print the same by itself: it would only deceive those whose output it judges.
 */
#include "run/run_ruby.h"

#include "base/cleanup.h"
#include "run/run.h"
#include "run/run_aside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RUBY_CPU_MS   2000
#define RUBY_WALL_MS  5000 /* a busy machine is no fault of the light's */
#define RUBY_MEMORY   (256LL << 20)
#define RUBY_OUTPUT   65536
#define MESSAGE_BYTES 8192

static const char program[] =
	"module Empty\n"
	"  def self.binding\n"
	"    super\n"
	"  end\n"
	"end\n"
	"answer = $stdout.dup\n"
	"[$stdout, $stderr].each { |stream| stream.reopen(File::NULL, 'w') }\n"
	"read = lambda { |name| File.binread(name).force_encoding('UTF-8').scrub('') }\n"
	"tell = lambda do |kind, name, message|\n"
	"  answer.write(\"#{kind}\\n#{name}\\n#{message}\")\n"
	"  answer.flush\n"
	"  exit!(0)\n"
	"end\n"
	"begin\n"
	"  light = Empty.binding.eval(read.call('lambda.rb'))\n"
	"rescue Exception => e\n"
	"  tell.call('source', e.class.name, e.message)\n"
	"end\n"
	"begin\n"
	"  colour = light.call(read.call('stdout'), read.call('stderr'), read.call('status').to_i)\n"
	"rescue Exception => e\n"
	"  tell.call('call', e.class.name, e.message)\n"
	"end\n"
	"tell.call('colour', '', colour.to_s)\n";

struct run_ruby {
	struct run_ruby_options options;
	struct run *run;
};

static int add_file(struct run_plan *plan, const char *name, const void *data, size_t len)
{
	struct run_file *file = &plan->files[plan->files_count];

	file->mode = 0644;
	file->len = len;
	file->name = strdup(name);
	file->data = malloc(len ? len : 1);
	plan->files_count++;
	if (!file->name || !file->data)
		return -ENOMEM;
	if (len)
		memcpy(file->data, data, len);
	return 0;
}

static int add_files(struct run_plan *plan, const char *source, size_t len, const struct light_input *input)
{
	char status[16];
	int r;

	snprintf(status, sizeof(status), "%d", input->status);
	plan->files = calloc(4, sizeof(*plan->files));
	if (!plan->files)
		return -ENOMEM;
	r = add_file(plan, "lambda.rb", source, len);
	if (r == 0)
		r = add_file(plan, "stdout", input->out, input->out_len);
	if (r == 0)
		r = add_file(plan, "stderr", input->err, input->err_len);
	return r < 0 ? r : add_file(plan, "status", status, strlen(status));
}

/* Cuts `text` behind its first line; what follows, or NULL where there is no line end. */
static char *line_end(char *text)
{
	char *end = text ? strchr(text, '\n') : NULL;

	if (end)
		*end++ = '\0';
	return end;
}

/* No NUL: what Ruby says with one in it is cut there. */
static bool read_answer(char *text, struct run_ruby_verdict *ret)
{
	char *name = line_end(text), *message = line_end(name);

	if (!message)
		return false;
	*ret = (struct run_ruby_verdict){
		.class_name = name,
		.message = message,
		.message_len = strnlen(message, MESSAGE_BYTES),
	};
	if (strcmp(text, "source") == 0)
		ret->fault = RUN_RUBY_SOURCE;
	else if (strcmp(text, "call") == 0)
		ret->fault = RUN_RUBY_CALL;
	else
		ret->fault = RUN_RUBY_COLOUR;
	for (int colour = LIGHT_RED; colour <= LIGHT_GREEN && ret->fault == RUN_RUBY_COLOUR; colour++) {
		if (strcmp(message, light_colour_name((enum light_colour)colour)) != 0)
			continue;
		ret->colour = (enum light_colour)colour;
		ret->fault = RUN_RUBY_NONE;
	}
	return true;
}

/* Ruby did not come to an answer. */
static void no_answer(const struct run_result *result, char *text, size_t size, struct run_ruby_verdict *ret)
{
	bool late = result->outcome == RUN_WALL_TIME_EXCEEDED || result->outcome == RUN_CPU_TIME_EXCEEDED;

	snprintf(text, size, "%s", late ? "execution expired" : run_outcome_name(result->outcome));
	*ret = (struct run_ruby_verdict){
		.fault = RUN_RUBY_CALL,
		.class_name = late ? "Timeout::Error" : "SystemExit",
		.message = text,
		.message_len = strlen(text),
	};
}

static void on_done(void *user, struct run_result *result)
{
	struct run_ruby *ruby = user;
	const struct step_result *step = result->steps_count > 0 ? &result->steps[0] : NULL;
	AUTO_BUF struct buf text = BUF_INIT(RUBY_OUTPUT);
	struct run_ruby_verdict verdict;
	char sentence[64];
	bool truncated;

	run_destroy(TAKE_PTR(ruby->run));
	if (!step || result->outcome != RUN_OK ||
	    light_text_clean(step->out.data, step->out.len, RUBY_OUTPUT, &text, &truncated) < 0 ||
	    !text.data || !read_answer((char *)text.data, &verdict))
		no_answer(result, sentence, sizeof(sentence), &verdict);
	/* `result` and `text` live on here, whatever becomes of `ruby`. */
	ruby->options.done(ruby->options.user, &verdict);
	run_result_destroy(result);
}

static int make_plan(const struct run_ruby_options *options, const char *source, size_t len,
		     const struct light_input *input, struct run_plan **ret)
{
	static char *const argv[] = { (char *)"ruby", (char *)"-e", (char *)program, NULL };
	static const int64_t wanted[LIMIT_COUNT] = {
		[LIMIT_WALL_MS] = RUBY_WALL_MS,
		[LIMIT_CPU_MS] = RUBY_CPU_MS,
		[LIMIT_MEMORY_BYTES] = RUBY_MEMORY,
		[LIMIT_OUTPUT_BYTES] = RUBY_OUTPUT,
		[LIMIT_PROCESSES] = 16,
	};
	struct run_plan *plan;
	int r = run_aside_plan(options->engine, options->image, argv, wanted, &options->ceilings, &plan);

	if (r < 0)
		return r;
	r = add_files(plan, source, len, input);
	if (r < 0) {
		plan_destroy(plan);
		return r;
	}
	*ret = plan;
	return 0;
}

int run_ruby_start(const struct run_ruby_options *options, const char *source, size_t len,
		   const struct light_input *input, struct run_ruby **ret, struct err *err)
{
	static const struct run_events events = { .done = on_done };
	static const struct run_options plain = { 0 };
	AUTO_FREE struct run_ruby *ruby = calloc(1, sizeof(*ruby));
	struct run_plan *plan = NULL;
	int r = ruby ? make_plan(options, source, len, input, &plan) : -ENOMEM;

	if (r < 0)
		return err_set(err, r, "a light for Ruby");
	ruby->options = *options;
	r = run_start(options->engine, plan, &plain, &events, ruby, &ruby->run, err);
	if (r == 0)
		*ret = TAKE_PTR(ruby);
	return r;
}

void run_ruby_destroy(struct run_ruby *ruby)
{
	if (!ruby)
		return;
	run_destroy(ruby->run);
	free(ruby);
}
