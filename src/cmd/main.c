#include "base/cleanup.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>

const struct command *const command_table[] = {
	&command_run,	&command_serve,	 &command_doctor, &command_languages, &command_language,
	&command_image, &command_images, &command_bench,  &command_help,      &command_version,
};
const size_t command_table_len = ARRAY_LEN(command_table);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_table_len; i++) {
		if (strcmp(command_table[i]->name, name) == 0)
			return command_table[i];
	}
	return NULL;
}

int cmd_fail(int status, const struct err *err)
{
	fprintf(stderr, "kiln: %s\n", err->text);
	return status;
}

int cmd_json_print(json_t *json, struct err *err)
{
	int r = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : -1;

	json_decref(json);
	if (r < 0 || fputc('\n', stdout) == EOF || fflush(stdout) != 0)
		return err_set(err, -EIO, "cannot print the document");
	return 0;
}

bool cmd_begin(const struct command *command, int argc, char *const *argv, args_option_fn on_option,
	       void *user, struct args *ret, int *ret_status)
{
	const struct args_spec spec = {
		.options = command->options,
		.options_count = command->options_count,
		.settings = command->settings,
		.on_option = on_option,
		.user = user,
	};
	struct err err = ERR_INIT;
	int r = args_parse(&spec, argc, argv, ret, &err);

	if (r >= 0 && ret->help) {
		*ret_status = help_print(command);
		return true;
	}
	if (r >= 0 && !command->operands && ret->operands_count + ret->rest_count > 0)
		r = err_refuse(&err, ERR_MALFORMED, "bad_usage", NULL, "'%.100s' is too much",
			       ret->operands_count > 0 ? ret->operands[0] : ret->rest[0]);
	if (r >= 0)
		return false;
	fprintf(stderr, "kiln %s: %s (`kiln help %s` says what it takes)\n", command->name, err.text,
		command->name);
	*ret_status = command->exit_usage;
	return true;
}

static int version_main(const struct command *command, int argc, char *const *argv)
{
	AUTO_ARGS struct args args;
	int status;

	if (cmd_begin(command, argc, argv, NULL, NULL, &args, &status))
		return status;
	printf("kiln %s\n", KILN_VERSION);
	return CMD_OK;
}

const struct command command_version = {
	.name = "version",
	.summary = "print the version",
	.synopsis = "",
	.exit_usage = CMD_USAGE,
	.main = version_main,
};

/* "--version" and its kin are spelled as options by everybody, so they are names of commands too. */
static const struct command *command_of_word(const char *word)
{
	static const struct {
		const char *word;
		const struct command *command;
	} words[] = {
		{ "--version", &command_version },
		{ "-V", &command_version },
		{ "--help", &command_help },
		{ "-h", &command_help },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, word) == 0)
			return words[i].command;
	}
	return command_find(word);
}

/* A reader that went away shows as EPIPE on the write; the default action would end kiln with its sandboxes open. */
static void sigpipe_ignore(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, NULL);
}

/* A descriptor 0, 1 or 2 that is closed would become some socket's number, and that socket a program's output. */
static bool streams_open(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int status;

	/* Names in archives are UTF-8 whatever the caller's locale; loaded before the front hides files. */
	setlocale(LC_CTYPE, "C.UTF-8");
	sigpipe_ignore();
	if (!streams_open())
		return CMD_KILN;
	if (argc < 2) {
		fprintf(stderr, "kiln: a command is missing: `kiln help` lists them\n");
		return CMD_USAGE;
	}
	command = command_of_word(argv[1]);
	if (!command) {
		fprintf(stderr, "kiln: '%.100s' is not a command of kiln: `kiln help` lists them\n", argv[1]);
		return CMD_USAGE;
	}
	status = command->main(command, argc - 2, argv + 2);
	if (fflush(stdout) != 0 && status == CMD_OK)
		status = command->exit_usage;
	return status;
}
