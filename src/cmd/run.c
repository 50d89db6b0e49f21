#include "base/cleanup.h"
#include "base/strv.h"
#include "cmd/cmd.h"
#include "cmd/run_files.h"
#include "cmd/run_session.h"
#include "cmd/units.h"
#include "config/config.h"
#include "run/language.h"
#include "run/request.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum option_id {
	OPTION_LANGUAGE,
	OPTION_IMAGE,
	OPTION_LIMIT,
	OPTION_STDIN,
	OPTION_JSON,
	OPTION_ENV,
	OPTION_ARG,
	OPTION_ENTRY,
	OPTION_NETWORK,
};

static const struct arg_option run_options[] = {
	{ OPTION_LANGUAGE, 'l', "language", "LANG",
	  "id or alias, also LANG@VERSION; default: by the first FILE's name" },
	{ OPTION_IMAGE, 'i', "image", "IMAGE", "run the command behind -- in this image" },
	{ OPTION_LIMIT, 0, "limit", "NAME=VALUE",
	  "a limit, e.g. memory_bytes=64MiB or wall_ms=2s; repeatable" },
	{ OPTION_STDIN, 0, "stdin", "FILE", "the program's stdin; default: kiln's own" },
	{ OPTION_JSON, 0, "json", NULL, "print the whole result as JSON instead of the program's output" },
	{ OPTION_ENV, 'e', "env", "NAME=VALUE", "an environment variable of the program; repeatable" },
	{ OPTION_ARG, 'a', "arg", "ARG", "an argument of the program; repeatable" },
	{ OPTION_ENTRY, 0, "entry", "FILE",
	  "the file to run, when it is not the language's usual one or the first" },
	{ OPTION_NETWORK, 0, "network", "none|loopback",
	  "whether the sandbox has a loopback interface; default none" },
};

static const char run_text[] =
	"A FILE is given to the sandbox under its path, when that is relative and below the working "
	"directory, else under\n"
	"its last component; a folder with everything in it, named relative to the folder. With a language, "
	"what stands\n"
	"behind -- are arguments of the program. The output of a compile step goes to stderr.\n"
	"\n"
	"Exit status: that of the program, and\n"
	"  124    it was ended at a time limit (wall_ms, cpu_ms)\n"
	"  137    it was ended at its memory limit\n"
	"  128+N  it was ended by signal N; N=2, 15, 1 also when kiln run itself got that signal\n"
	"  125    kiln could not run it: bad usage, bad settings, the engine failed\n"
	"A run that met another limit (output, disk, processes) exits with the program's own status, or 1 "
	"where that is 0 or\n"
	"missing. A failed compile step ends the run with that step's status. One line on stderr names the "
	"limit.\n";

struct run_args {
	struct run_request req;
	const char *image;
	const char *stdin_path;
	bool json;
	bool limit_given[LIMIT_COUNT];
};

static int strv_put(char ***v, const char *text, struct err *err)
{
	return strv_append(v, text, strlen(text)) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int string_put(char **to, const char *text, struct err *err)
{
	char *copy = strdup(text);

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}

static int language_put(struct run_request *req, const char *text, struct err *err)
{
	const char *at = strchr(text, '@');
	int r = string_put(&req->language, text, err);

	if (r < 0 || !at)
		return r;
	req->language[at - text] = '\0';
	return string_put(&req->version_range, at + 1, err);
}

static int env_put(struct run_request *req, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');

	if (!equals)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", "env",
				  "--env wants NAME=VALUE, not '%.64s'", text);
	if (!request_is_variable(text, (size_t)(equals - text)))
		return err_refuse(err, ERR_MALFORMED, "bad_name", "env",
				  "--env '%.64s': " REQUEST_VARIABLE_RULE, text);
	return strv_put(&req->env, text, err);
}

static int network_put(struct run_request *req, const char *text, struct err *err)
{
	req->network_loopback = strcmp(text, "loopback") == 0;
	if (!req->network_loopback && strcmp(text, "none") != 0)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", "network",
				  "--network is none or loopback, not '%.64s'", text);
	return 0;
}

static int limit_put(struct run_args *run, const char *text, struct err *err)
{
	struct limits one = { 0 };
	int r = limit_read(text, &one, err);

	if (r < 0)
		return r;
	for (int i = 0; i < LIMIT_COUNT; i++)
		run->limit_given[i] |= one.value[i] != LIMIT_UNSET;
	limits_merge(&run->req.limits, &run->req.limits, &one);
	return 0;
}

static int run_option(void *user, int id, const char *value, struct err *err)
{
	struct run_args *run = user;

	switch ((enum option_id)id) {
	case OPTION_LANGUAGE:
		return language_put(&run->req, value, err);
	case OPTION_IMAGE:
		run->image = value;
		return string_put(&run->req.image, value, err);
	case OPTION_LIMIT:
		return limit_put(run, value, err);
	case OPTION_STDIN:
		run->stdin_path = value;
		return 0;
	case OPTION_JSON:
		run->json = true;
		return 0;
	case OPTION_ENV:
		return env_put(&run->req, value, err);
	case OPTION_ARG:
		return strv_put(&run->req.args, value, err);
	case OPTION_ENTRY:
		return string_put(&run->req.entry, value, err);
	case OPTION_NETWORK:
		return network_put(&run->req, value, err);
	}
	return -EINVAL;
}

/* The command behind "--" becomes the only step of an image run; of a language run its words are arguments. */
static int rest_put(struct run_args *run, const struct args *args, struct err *err)
{
	char ***to = &run->req.args;

	if (run->image) {
		if (run->req.language)
			return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "give -l or -i, not both");
		if (args->rest_count == 0)
			return err_refuse(
				err, ERR_MALFORMED, "bad_usage", NULL,
				"-i wants the command to run behind --, as in: kiln run -i host -- ls -l");
		run->req.steps = calloc(1, sizeof(*run->req.steps));
		if (!run->req.steps)
			return err_set(err, -ENOMEM, "out of memory");
		run->req.steps_count = 1;
		if (string_put(&run->req.steps[0].name, "run", err) < 0)
			return -ENOMEM;
		to = &run->req.steps[0].command;
	}
	for (size_t i = 0; i < args->rest_count; i++) {
		int r = strv_put(to, args->rest[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int files_put(struct run_args *run, const struct args *args, struct err *err)
{
	if (args->operands_count == 0 && !run->image)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "no FILE to run");
	for (size_t i = 0; i < args->operands_count; i++) {
		int r = run_files_add(&run->req, args->operands[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A folder can be opened, and would then pass for an empty file. */
static int stdin_open(const char *path, int *ret_fd, struct err *err)
{
	bool own = !path || strcmp(path, "-") == 0;
	int fd = own ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_set(err, -errno, "open '%s'", path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return err_refuse(err, ERR_MALFORMED, "bad_file", "stdin", "stdin: '%s' is a folder",
				  own ? "-" : path);
	*ret_fd = fd;
	return 0;
}

static int run_prepared(struct run_args *run, const struct args *args, struct err *err)
{
	struct config config = { 0 };
	struct run_session_options options = { .json = run->json, .limit_given = run->limit_given };
	int r;

	r = rest_put(run, args, err);
	if (r < 0)
		return r;
	r = config_load(args->config, args->flags, &config, err);
	if (r < 0)
		return r;
	r = files_put(run, args, err);
	if (r >= 0)
		r = stdin_open(run->stdin_path, &options.stdin_fd, err);
	if (r >= 0)
		r = run_session(&config, &run->req, &options, err);
	config_finish(&config);
	return r;
}

static int run_main(const struct command *command, int argc, char *const *argv)
{
	struct run_args run = { 0 };
	AUTO_ARGS struct args args;
	struct err err = ERR_INIT;
	int status;

	if (!cmd_begin(command, argc, argv, run_option, &run, &args, &status)) {
		status = run_prepared(&run, &args, &err);
		if (status < 0)
			status = cmd_fail(CMD_KILN, &err);
	}
	request_finish(&run.req);
	return status;
}

const struct command command_run = {
	.name = "run",
	.summary = "run files in a sandbox, without a server",
	.synopsis = "[-l LANG | -i IMAGE] [OPTION]… [FILE]… [-- WORD…]",
	.text = run_text,
	.options = run_options,
	.options_count = ARRAY_LEN(run_options),
	.settings = true,
	.operands = true,
	.exit_usage = CMD_KILN,
	.main = run_main,
};
