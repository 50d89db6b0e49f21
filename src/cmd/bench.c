#include "bench/bench.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "bench/exec.h"
#include "bench/load.h"
#include "bench/post.h"
#include "cmd/bench_print.h"
#include "cmd/cmd.h"
#include "config/config.h"
#include "lib/node.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <wordexp.h>

#define PEERS_MAX 32

enum option_id {
	OPTION_LANGUAGE,
	OPTION_IMAGE,
	OPTION_REQUEST,
	OPTION_URL,
	OPTION_ROUNDS,
	OPTION_RUNS,
	OPTION_WARM_UP,
	OPTION_REST,
	OPTION_CONNECTIONS,
	OPTION_RATE_ROUNDS,
	OPTION_RATE_MS,
	OPTION_BARE,
	OPTION_NO_BARE,
	OPTION_PEER,
	OPTION_POST,
	OPTION_EXPECT,
	OPTION_NO_PIN,
	OPTION_JSON,
};

static const struct arg_option bench_options_table[] = {
	{ OPTION_LANGUAGE, 'l', "language", "LANG", "run the language's own hello program" },
	{ OPTION_IMAGE, 'i', "image", "IMAGE", "of the command behind --; default host" },
	{ OPTION_REQUEST, 0, "request", "FILE", "run this request, as POST /v1/runs takes it" },
	{ OPTION_URL, 0, "url", "URL",
	  "measure the server at http://HOST:PORT (KILN_TOKEN: with which token); default: one of its own" },
	{ OPTION_ROUNDS, 'r', "rounds", "N", "rounds of single runs; 0: none; default 20" },
	{ OPTION_RUNS, 'n', "runs", "N", "runs of everybody in a round; default 50" },
	{ OPTION_WARM_UP, 0, "warm-up", "N", "runs of everybody before the first round; default 20" },
	{ OPTION_REST, 0, "rest-us", "N", "µs of rest before each single run; default 2000" },
	{ OPTION_CONNECTIONS, 'c', "connections", "N",
	  "of the measurement of runs a second; 0: none; default 32" },
	{ OPTION_RATE_ROUNDS, 0, "rate-rounds", "N", "rounds of that measurement; default 5" },
	{ OPTION_RATE_MS, 0, "rate-ms", "N", "ms that each of its rounds takes; default 1000" },
	{ OPTION_BARE, 0, "bare", "COMMAND", "what to compare with; default: the job's own commands" },
	{ OPTION_NO_BARE, 0, "no-bare", NULL, "compare with nothing" },
	{ OPTION_PEER, 0, "peer", "NAME=COMMAND", "measure this command beside it; repeatable" },
	{ OPTION_POST, 0, "post", "NAME=FILE=URL",
	  "measure a server that gets this file as JSON beside it; repeatable" },
	{ OPTION_EXPECT, 0, "expect", "TEXT", "what every good answer to the --post before it holds" },
	{ OPTION_NO_PIN, 0, "no-pin", NULL, "let everybody have every processor" },
	{ OPTION_JSON, 0, "json", NULL, "print the report as JSON" },
};

static const char bench_text[] =
	"Runs a job (default: -- /bin/true) by kiln over one kept-alive connection and \"bare\", that is "
	"with vfork, "
	"exec and\nwait on this machine, in turns, and tells percentiles and ratios, these with the 95 % "
	"interval of "
	"a bootstrap over the\nrounds. Then it asks at N connections for as many runs a second as there are, "
	"against "
	"as many bare ones.\n"
	"\n"
	"The time of a run ends with the last byte of its answer; of a bare one, with wait. A job with files "
	"is done "
	"bare in a\nfolder in memory. Words of COMMAND are split as a shell splits them; nothing in it is "
	"executed by "
	"one.\n"
	"\n"
	"In a FILE for --request or --post, the first KILN-BENCH-RUN-NUMBER becomes another number in each "
	"single run, "
	"so that no\ncache knows it.\n"
	"\n"
	"Exit status: 0, 2 for bad usage, 1 when the job failed or it was interrupted.\n";

struct bench_args {
	const char *language, *image, *request, *bare;
	bool no_bare, json;
	struct bench_options options;
	struct subject *peers[PEERS_MAX];
	char *expects[PEERS_MAX]; /* of the peer at the same place, or NULL */
	int signal_fd;
	bool terminal;
};

static int number_read(const char *text, unsigned long min, unsigned long max, unsigned *ret, struct err *err)
{
	char *end = NULL;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < min || value > max)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL,
				  "'%.40s' is not a number from %lu to %lu", text, min, max);
	*ret = (unsigned)value;
	return 0;
}

/* A subject for the words of a command. */
static int command_subject(const char *name, const char *command, struct subject **ret, struct err *err)
{
	wordexp_t words;
	struct exec_step step = { 0 };
	int r;

	if (wordexp(command, &words, WRDE_NOCMD | WRDE_UNDEF) != 0)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "'%.100s' is not a command",
				  command);
	step.argv = words.we_wordv;
	r = exec_create(name, &step, words.we_wordc > 0 ? 1 : 0, NULL, ret, err);
	wordfree(&words);
	return r;
}

static int peer_place(struct bench_args *b, struct err *err)
{
	if (b->options.peers_count == PEERS_MAX)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "more than %d peers", PEERS_MAX);
	return 0;
}

static int peer_put(struct bench_args *b, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	AUTO_FREE char *name = equals ? strndup(text, (size_t)(equals - text)) : NULL;
	int r = peer_place(b, err);

	if (r < 0)
		return r;
	if (!name)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "--peer wants NAME=COMMAND");
	r = command_subject(name, equals + 1, &b->peers[b->options.peers_count], err);
	if (r >= 0)
		b->options.peers_count++;
	return r;
}

/* `user` is the place of the text that a good answer holds. */
static int expected_check(void *user, const char *body, size_t len, struct err *err)
{
	const char *expect = *(char *const *)user;

	if (!expect || memmem(body, len, expect, strlen(expect)))
		return 0;
	return err_refuse(err, ERR_IMPOSSIBLE, "job_failed", NULL, "an answer without '%.60s': %.*s", expect,
			  len > 300 ? 300 : (int)len, body);
}

static int post_put(struct bench_args *b, const char *text, struct err *err)
{
	const char *first = strchr(text, '='), *second = first ? strchr(first + 1, '=') : NULL;
	AUTO_FREE char *name = second ? strndup(text, (size_t)(first - text)) : NULL;
	AUTO_FREE char *path = second ? strndup(first + 1, (size_t)(second - first - 1)) : NULL;
	struct post_options post;
	struct job file;
	int r = peer_place(b, err);

	if (r < 0)
		return r;
	if (!name || !path)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "--post wants NAME=FILE=URL");
	r = job_of_file(path, &file, err);
	if (r < 0)
		return r;
	post = (struct post_options){
		.url = second + 1,
		.body = file.body,
		.body_len = file.body_len,
		.check = expected_check,
		.user = &b->expects[b->options.peers_count],
	};
	r = post_create(name, &post, &b->peers[b->options.peers_count], err);
	if (r >= 0)
		b->options.peers_count++;
	job_finish(&file);
	return r;
}

static int expect_put(struct bench_args *b, const char *text, struct err *err)
{
	size_t count = b->options.peers_count;

	if (count == 0)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "--expect stands behind its --post");
	free(b->expects[count - 1]);
	b->expects[count - 1] = strdup(text);
	return b->expects[count - 1] ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int bench_option(void *user, int id, const char *value, struct err *err)
{
	struct bench_args *b = user;
	struct bench_options *o = &b->options;

	switch ((enum option_id)id) {
	case OPTION_LANGUAGE:
		b->language = value;
		return 0;
	case OPTION_IMAGE:
		b->image = value;
		return 0;
	case OPTION_REQUEST:
		b->request = value;
		return 0;
	case OPTION_URL:
		o->url = value;
		return 0;
	case OPTION_ROUNDS:
		return number_read(value, 0, 1000000, &o->turns.rounds, err);
	case OPTION_RUNS:
		return number_read(value, 1, 1000000, &o->turns.per_round, err);
	case OPTION_WARM_UP:
		return number_read(value, 0, 1000000, &o->turns.warm_up, err);
	case OPTION_REST:
		return number_read(value, 0, 60000000, &o->turns.gap_us, err);
	case OPTION_CONNECTIONS:
		return number_read(value, 0, LOAD_CONNECTIONS_MAX, &o->connections, err);
	case OPTION_RATE_ROUNDS:
		return number_read(value, 1, 100000, &o->rate_rounds, err);
	case OPTION_RATE_MS:
		return number_read(value, 10, 3600000, &o->rate_ms, err);
	case OPTION_BARE:
		b->bare = value;
		return 0;
	case OPTION_NO_BARE:
		b->no_bare = true;
		return 0;
	case OPTION_PEER:
		return peer_put(b, value, err);
	case OPTION_POST:
		return post_put(b, value, err);
	case OPTION_EXPECT:
		return expect_put(b, value, err);
	case OPTION_NO_PIN:
		o->pin = false;
		return 0;
	case OPTION_JSON:
		b->json = true;
		return 0;
	}
	return -EINVAL;
}

/* Ctrl-C is looked for between blocks, so that the server and the folder are cleared away in order. */
static bool go_on(void *user, int round, const char *subject)
{
	struct bench_args *b = user;
	struct signalfd_siginfo info;

	if (read(b->signal_fd, &info, sizeof(info)) == sizeof(info))
		return false;
	if (b->terminal)
		fprintf(stderr, "\r\033[Kround %d, %s", round + 1, subject);
	return true;
}

static int signals_hold(struct bench_args *b, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	b->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return b->signal_fd < 0 ? err_set(err, -errno, "signalfd") : 0;
}

static int job_make(const struct bench_args *b, const struct args *args,
		    const struct language_registry *languages, struct job *ret, struct err *err)
{
	static char *const trivial[] = { (char *)"/bin/true", NULL };

	if (args->operands_count > 0)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL,
				  "'%.100s' is too much: a command stands behind --", args->operands[0]);
	if ((b->language != NULL) + (b->request != NULL) + (args->rest_count > 0) > 1)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL,
				  "give one of -l, --request and a command behind --");
	if (b->language)
		return job_of_language(languages, b->language, ret, err);
	if (b->request)
		return job_of_file(b->request, ret, err);
	return job_of_command(b->image ? b->image : "host", args->rest_count > 0 ? args->rest : trivial,
			      args->rest_count > 0 ? args->rest_count : 1, ret, err);
}

static int bare_make(const struct bench_args *b, const struct config *config,
		     const struct language_registry *languages, struct job *job, struct subject **ret,
		     struct err *err)
{
	const struct plan_context context = {
		.languages = languages,
		.ceilings = config->ceilings,
		.image_find = job_image_find,
	};

	if (b->no_bare)
		return 0;
	if (b->bare)
		return command_subject("bare", b->bare, ret, err);
	return job_bare(job, &context, ret, err);
}

static int measured_show(struct bench_args *b, struct err *err)
{
	struct bench_report report;
	int r = bench_measure(&b->options, &report, err);

	if (b->terminal)
		fprintf(stderr, "\r\033[K");
	if (r >= 0)
		r = b->json ? cmd_json_print(bench_report_json(&b->options, &report), err)
			    : bench_print(&b->options, &report, err);
	bench_report_finish(&report);
	return r;
}

/* Returns an exit status. */
static int bench_run(struct bench_args *b, const struct args *args, const struct config *config,
		     struct err *err)
{
	struct language_registry *languages = NULL;
	struct subject *bare = NULL;
	struct job job = { 0 };
	int status = CMD_USAGE;
	int r = node_languages_load(config, &languages, err);

	if (r >= 0)
		r = job_make(b, args, languages, &job, err);
	if (r >= 0)
		r = bare_make(b, config, languages, &job, &bare, err);
	if (r >= 0)
		r = signals_hold(b, err);
	if (r >= 0) {
		b->options.job = &job;
		b->options.bare = bare;
		r = measured_show(b, err);
		status = CMD_DEGRADED;
	}
	subject_destroy(bare);
	job_finish(&job);
	language_registry_destroy(languages);
	return r < 0 ? cmd_fail(status, err) : CMD_OK;
}

/* A server of its own gets this program's settings, and is asked with one of the tokens that stand in them. */
static int server_settle(struct bench_args *b, struct args *args, const struct config *config,
			 struct err *err)
{
	AUTO_FREE char *flag = NULL;

	if (!b->options.token && !b->options.url && config->tokens_count > 0)
		b->options.token = config->tokens[0].token;
	if (args->config && asprintf(&flag, "--config=%s", args->config) < 0)
		flag = NULL;
	if (args->config && (!flag || strv_append(&args->flags, flag, strlen(flag)) < 0))
		return err_set(err, -ENOMEM, "out of memory");
	b->options.server_flags = args->flags;
	return 0;
}

static int bench_main(const struct command *command, int argc, char *const *argv)
{
	struct bench_args b = {
		.options = { .turns = { .rounds = 20, .per_round = 50, .warm_up = 20, .gap_us = 2000 },
			     .connections = 32,
			     .rate_rounds = 5,
			     .rate_ms = 1000,
			     .token = getenv("KILN_TOKEN"),
			     .pin = true },
		.signal_fd = -1,
		.terminal = isatty(STDERR_FILENO) == 1,
	};
	struct config config = { 0 };
	AUTO_ARGS struct args args;
	struct err err = ERR_INIT;
	int status;

	b.options.peers = b.peers;
	b.options.turns.go_on = go_on;
	b.options.turns.user = &b;
	if (!cmd_begin(command, argc, argv, bench_option, &b, &args, &status)) {
		status = config_load(args.config, args.flags, &config, &err) < 0 ||
					 server_settle(&b, &args, &config, &err) < 0
				 ? cmd_fail(CMD_USAGE, &err)
				 : bench_run(&b, &args, &config, &err);
	}
	config_finish(&config);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		subject_destroy(b.peers[i]);
		free(b.expects[i]);
	}
	if (b.signal_fd >= 0)
		close(b.signal_fd);
	return status;
}

const struct command command_bench = {
	.name = "bench",
	.summary = "measure how fast runs are, against the bare program and others",
	.synopsis = "[-l LANG | --request FILE] [OPTION]… [-- COMMAND…]",
	.text = bench_text,
	.options = bench_options_table,
	.options_count = ARRAY_LEN(bench_options_table),
	.operands = true,
	.settings = true,
	.exit_usage = CMD_USAGE,
	.main = bench_main,
};
