#include "base/cleanup.h"
#include "base/limits.h"
#include "cmd/cmd.h"
#include "config/config.h"

#define HELP_COLUMN 26 /* where the right-hand side begins */

static const char overview_text[] = "\nExit status: 0 when all went well, 2 for bad usage or settings. `kiln "
				    "run` has its own: `kiln help run`.\n"
				    "\n`kiln help COMMAND` describes one command, `kiln help serve` every "
				    "setting; the rest is in kiln(1).\n";

static void overview_print(void)
{
	printf("kiln %s runs other people's code in sandboxes, within limits, and says truthfully what "
	       "happened.\n\n"
	       "Usage: kiln COMMAND …\n\nCommands:\n",
	       KILN_VERSION);
	for (size_t i = 0; i < command_table_len; i++)
		printf("  %-12s %s\n", command_table[i]->name, command_table[i]->summary);
	fputs(overview_text, stdout);
}

static void option_print(const struct arg_option *o)
{
	char left[80];

	snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
		 o->letter ? ", " : "  ", o->name, o->value ? " " : "", o->value ? o->value : "");
	if (strlen(left) < HELP_COLUMN)
		printf("%-*s %s\n", HELP_COLUMN, left, o->help);
	else
		printf("%s\n%*s %s\n", left, HELP_COLUMN, "", o->help);
}

static void limits_print(void)
{
	printf("\nLimits, for --limit NAME=VALUE:\n");
	for (int i = 0; i < LIMIT_COUNT; i++)
		printf("  %-*s %s (default %lld)\n", HELP_COLUMN - 2, limit_table[i].name,
		       limit_table[i].help, (long long)limit_table[i].default_value);
}

int help_print(const struct command *command)
{
	if (!command) {
		overview_print();
		return CMD_OK;
	}
	printf("kiln %s: %s.\n\nUsage: kiln %s%s%s\n", command->name, command->summary, command->name,
	       command->synopsis[0] ? " " : "", command->synopsis);
	printf("\nOptions:\n");
	for (size_t i = 0; i < command->options_count; i++)
		option_print(&command->options[i]);
	if (command->settings)
		option_print(&(struct arg_option){
			.name = "config",
			.value = "FILE",
			.help = "settings; else KILN_CONFIG, else /etc/kiln/kiln.conf" });
	option_print(&(struct arg_option){ .letter = 'h', .name = "help", .help = "this page" });
	if (command == &command_run)
		limits_print();
	if (command->text)
		printf("\n%s", command->text);
	if (command == &command_serve) {
		printf("\nSettings (in kiln.conf, as KILN_* variables and as flags):\n");
		config_describe("text");
	} else if (command->settings) {
		printf("\nEvery setting that `kiln help serve` lists is an option here too.\n");
	}
	return CMD_OK;
}

enum option_id {
	OPTION_MAN,
};

static const struct arg_option help_options[] = {
	{ OPTION_MAN, 0, "man", NULL, "print the commands and settings in roff, for kiln(1)" },
};

static int help_option(void *user, int id, const char *value, struct err *err)
{
	*(bool *)user = true;
	return 0;
}

static int help_main(const struct command *command, int argc, char *const *argv)
{
	const struct command *about;
	AUTO_ARGS struct args args;
	bool man = false;
	int status;

	if (cmd_begin(command, argc, argv, help_option, &man, &args, &status))
		return status;
	if (man) {
		help_man_print();
		return CMD_OK;
	}
	if (args.operands_count == 0)
		return help_print(NULL);
	about = command_find(args.operands[0]);
	if (!about) {
		fprintf(stderr, "kiln: '%.100s' is not a command of kiln: `kiln help` lists them\n",
			args.operands[0]);
		return CMD_USAGE;
	}
	return help_print(about);
}

const struct command command_help = {
	.name = "help",
	.summary = "describe kiln or one of its commands",
	.synopsis = "[COMMAND]",
	.options = help_options,
	.options_count = ARRAY_LEN(help_options),
	.operands = true,
	.exit_usage = CMD_USAGE,
	.main = help_main,
};
