#include "cmd/language.h"

#include "base/cleanup.h"
#include "cmd/cmd.h"

enum option_id {
	OPTION_JSON,
};

static const struct arg_option language_options[] = {
	{ OPTION_JSON, 0, "json", NULL, "of test: print the results as JSON" },
};

static const char language_text[] =
	"test runs what the language files bring along to prove that a language works here: a program that "
	"says hello, one that\n"
	"echoes its input, one with a mistake for the compiler, one that fails, one without end, one that "
	"takes all memory. LANG\n"
	"is an id, an alias or LANG@RANGE and stands for every version that fits and is available; without "
	"one all languages\n"
	"that are available are tested.\n"
	"\n"
	"add checks a language file of your own and copies it to the folder `languages` in the state folder, "
	"where it takes the\n"
	"place of a language of kiln with the same id. A server reads it at its next start.\n"
	"\n"
	"Exit status: 0, or 1 when a check failed or there was nothing to test, or 2.\n";

static int language_option(void *user, int id, const char *value, struct err *err)
{
	*(bool *)user = true;
	return 0;
}

static int misuse(struct err *err, const char *text)
{
	return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "%s (`kiln help language` says how)", text);
}

/* The exit status, or a negative errno. */
static int dispatch(const struct config *config, const struct args *args, bool json, struct err *err)
{
	const char *verb = args->operands_count > 0 ? args->operands[0] : "";
	int r;

	if (strcmp(verb, "test") == 0) {
		r = language_test(config, args->operands + 1, args->operands_count - 1, json, err);
		return r < 0 ? r : r == 1 ? CMD_OK : CMD_DEGRADED;
	}
	if (strcmp(verb, "add") != 0)
		return misuse(err, "language wants `test` or `add`");
	if (args->operands_count != 2 || json)
		return misuse(err, "language add wants one FILE");
	r = language_add(config, args->operands[1], err);
	return r < 0 ? r : CMD_OK;
}

static int language_main(const struct command *command, int argc, char *const *argv)
{
	struct config config = { 0 };
	struct err err = ERR_INIT;
	AUTO_ARGS struct args args;
	bool json = false;
	int status, r;

	if (cmd_begin(command, argc, argv, language_option, &json, &args, &status))
		return status;
	r = config_load(args.config, args.flags, &config, &err);
	if (r >= 0)
		r = dispatch(&config, &args, json, &err);
	config_finish(&config);
	return r < 0 ? cmd_fail(CMD_USAGE, &err) : r;
}

const struct command command_language = {
	.name = "language",
	.summary = "test languages, or add one of your own",
	.synopsis = "test [--json] [LANG]… | add FILE",
	.text = language_text,
	.options = language_options,
	.options_count = ARRAY_LEN(language_options),
	.settings = true,
	.operands = true,
	.exit_usage = CMD_USAGE,
	.main = language_main,
};
