/*
 * How it works: the loop's thread drives the run; three threads block on stdin, stdout and stderr (stream.h) and wake
 * the loop through one uv_async_t. When the run is done, first everything on the loop is closed (the engine takes its
 * keeper and sandboxes with it), then the rest of the output is flushed with the default signal actions back in
 * place: a reader who no longer reads can be left with Ctrl-C, and nothing is left behind by then.
 */
#include "cmd/run_session.h"

#include "base/cleanup.h"
#include "cmd/cmd.h"
#include "cmd/node_start.h"
#include "cmd/stream.h"
#include "run/run.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static const int cancelling_signals[] = { SIGINT, SIGTERM, SIGHUP };

struct session {
	const struct run_session_options *options;
	uv_loop_t loop;
	uv_async_t wake;
	uv_signal_t signals[ARRAY_LEN(cancelling_signals)];
	struct node node;
	struct run *run;
	struct run_result *result;
	struct sink *out, *err;
	struct source *in;
	size_t last_step;
	int signal; /* that cancelled it, or 0 */
	bool in_ended;
};

static void on_output(void *user, size_t step, int stream, const uint8_t *data, size_t len)
{
	struct session *s = user;

	if (s->options->json)
		return;
	sink_write(step == s->last_step && stream == 1 ? s->out : s->err, data, len);
}

static void on_stdin_wanted(void *user, size_t len)
{
	struct session *s = user;

	if (s->in)
		source_want(s->in, len);
}

static void on_done(void *user, struct run_result *result)
{
	struct session *s = user;

	s->result = result;
	uv_stop(&s->loop);
}

static void cancel(struct session *s, int signal)
{
	if (s->signal == 0)
		s->signal = signal;
	if (s->run && !s->result)
		run_cancel(s->run);
}

static void on_signal(uv_signal_t *handle, int signal)
{
	cancel(handle->data, signal);
}

/* Moves stdin on, and ends a run that nobody reads any more, as SIGPIPE would have. */
static void on_wake(uv_async_t *handle)
{
	struct session *s = handle->data;
	uint8_t chunk[16384];
	bool eof = false;
	size_t n;

	if (!s->run || s->result)
		return;
	while (s->in && (n = source_take(s->in, chunk, sizeof(chunk), &eof)) > 0)
		run_stdin_write(s->run, chunk, n);
	if (eof && !s->in_ended) {
		s->in_ended = true;
		run_stdin_eof(s->run);
	}
	if (!s->options->json && (sink_broken(s->out) || sink_broken(s->err)))
		cancel(s, SIGPIPE);
}

static bool signal_is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int loop_begin(struct session *s, struct err *err)
{
	int r = uv_loop_init(&s->loop);

	if (r < 0)
		return err_set(err, r, "event loop");
	r = uv_async_init(&s->loop, &s->wake, on_wake);
	if (r < 0) {
		uv_loop_close(&s->loop);
		return err_set(err, r, "event loop");
	}
	s->wake.data = s;
	for (size_t i = 0; i < ARRAY_LEN(cancelling_signals); i++) {
		uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		/* A shell's background job and nohup have said that they want no such ending. */
		if (!signal_is_ignored(cancelling_signals[i]))
			uv_signal_start(&s->signals[i], on_signal, cancelling_signals[i]);
	}
	return 0;
}

static void loop_end(struct session *s)
{
	run_destroy(s->run);
	s->run = NULL;
	if (s->out)
		sink_detach(s->out);
	if (s->err)
		sink_detach(s->err);
	source_destroy(s->in);
	s->in = NULL;
	for (size_t i = 0; i < ARRAY_LEN(cancelling_signals); i++)
		uv_close((uv_handle_t *)&s->signals[i], NULL);
	uv_close((uv_handle_t *)&s->wake, NULL);
	node_close(&s->node, &s->loop);
	uv_loop_close(&s->loop);
}

static int streams_begin(struct session *s, struct err *err)
{
	int r = sink_create(STDOUT_FILENO, &s->wake, &s->out, err);

	if (r >= 0)
		r = sink_create(STDERR_FILENO, &s->wake, &s->err, err);
	if (r >= 0)
		r = source_create(s->options->stdin_fd, &s->wake, &s->in, err);
	return r;
}

/* The first file says which language it is, when nobody else did. */
static int language_guess(struct session *s, struct run_request *req, struct err *err)
{
	const char *file = req->entry ? req->entry : req->files_count > 0 ? req->files[0].name : "";
	const struct language *language = NULL;

	if (req->language || req->image)
		return 0;
	language = language_for_file(s->node.languages, file);
	for (size_t i = 0; !language && !req->entry && i < req->files_count; i++)
		language = language_for_file(s->node.languages, req->files[i].name);
	if (!language)
		return err_refuse(
			err, ERR_MALFORMED, "bad_usage", "language",
			"cannot tell the language of '%s' by its name: say it with -l (`kiln languages`)",
			file);
	req->language = strdup(language->id);
	return req->language ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/*
 * A limit that the user asked for by name and that this host cannot hold is not passed over in silence, unless a limit
 * did end the run: then that is the one thing to say.
 */
static void unenforced_warn(const struct session *s)
{
	const struct run_result *result = s->result;
	const char *const *names = result->unenforced;

	if (result->steps_count > 0 && result->steps[result->steps_count - 1].verdict.limit >= 0)
		return;
	for (; names && *names; names++) {
		int limit = limit_by_name(*names);

		if (limit >= 0 && s->options->limit_given[limit])
			fprintf(stderr, "kiln: this host cannot enforce %s: see `kiln doctor`\n", *names);
	}
}

static int session_start(struct session *s, const struct config *config, struct run_request *req,
			 struct err *err)
{
	static const struct run_events events = {
		.output = on_output,
		.stdin_wanted = on_stdin_wanted,
		.done = on_done,
	};
	const struct run_options options = { .live_stdin = true };
	struct plan_context context;
	struct run_plan *plan;
	int r;

	/* Before any thread exists: the engine starts its keeper as a child. */
	r = node_start(&s->loop, config, &s->node, err);
	if (r < 0)
		return r;
	r = language_guess(s, req, err);
	if (r < 0)
		return r;
	node_plan_context(&s->node, config, &context);
	r = plan_make(req, &context, &plan, err);
	if (r < 0)
		return r;
	s->last_step = plan->steps_count - 1;
	r = streams_begin(s, err);
	if (r < 0) {
		plan_destroy(plan);
		return r;
	}
	return run_start(s->node.engine, plan, &options, &events, s, &s->run, err);
}

static void limit_explain(const struct run_result *result, const struct step_result *step)
{
	char text[256];

	if (step->error) {
		fprintf(stderr, "kiln: %s: %s\n", step->name, step->error);
		return;
	}
	if (step->verdict.limit < 0 && step->verdict.outcome != RUN_SIGNALED)
		return;
	verdict_explain(&step->verdict, &step->facts, text, sizeof(text));
	if (result->steps_count > 1)
		fprintf(stderr, "kiln: %s: %s\n", step->name, text);
	else
		fprintf(stderr, "kiln: %s\n", text);
}

static int session_report(struct session *s, struct err *err)
{
	const struct run_result *result = s->result;
	int r = 0;

	if (s->options->json)
		r = cmd_json_print(result_to_json(result), err);
	else if (result->steps_count > 0)
		limit_explain(result, &result->steps[result->steps_count - 1]);
	unenforced_warn(s);
	return r < 0 ? r : run_exit_status(result, s->signal);
}

int run_session(const struct config *config, struct run_request *req,
		const struct run_session_options *options, struct err *err)
{
	struct session s = { .options = options };
	int r, broken;

	r = loop_begin(&s, err);
	if (r < 0)
		return r;
	r = session_start(&s, config, req, err);
	if (r >= 0 && s.signal)
		cancel(&s, s.signal);
	if (r >= 0 && !s.result)
		uv_run(&s.loop, UV_RUN_DEFAULT);
	loop_end(&s);
	broken = sink_finish(s.out);
	sink_finish(s.err);
	if (r >= 0 && s.result)
		r = session_report(&s, err);
	else if (r >= 0)
		r = err_set(err, -EIO, "the engine ended without a result");
	run_result_destroy(s.result);
	if (r == CMD_OK && broken < 0)
		r = err_set(err, broken, "stdout");
	return r;
}
