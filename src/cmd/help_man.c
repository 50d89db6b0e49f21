/*
 * The generated middle of kiln(1): commands, limits and settings, from the tables that the program itself works by.
 * docs/man/ has what stands before and behind. See man(7), groff_char(7).
 */
#include "base/limits.h"
#include "cmd/cmd.h"
#include "config/config.h"

/* Roff takes a backslash, a hyphen, and a dot or quote at the start of a line for its own. */
static void text_print(const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		line_start = *text == '\n';
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

/* Paragraphs; lines that begin with blanks keep their shape. */
static void paragraphs_print(const char *text)
{
	bool shaped = false;

	printf(".PP\n");
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[256];

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if ((line[0] == ' ') != shaped) {
			shaped = !shaped;
			printf(shaped ? ".nf\n" : ".fi\n");
		}
		if (len == 0)
			printf(".PP");
		text_print(line);
		putchar('\n');
		text += len + (text[len] == '\n');
	}
	if (shaped)
		printf(".fi\n");
}

static void option_print(const struct arg_option *o)
{
	printf(".TP\n\\fB");
	if (o->letter)
		printf("\\-%c\\fR, \\fB", o->letter);
	text_print("--");
	text_print(o->name);
	printf("\\fR");
	if (o->value) {
		printf(" \\fI");
		text_print(o->value);
		printf("\\fR");
	}
	putchar('\n');
	text_print(o->help);
	putchar('\n');
}

static void command_print(const struct command *command)
{
	printf(".SS \"kiln %s\"\n\\fBkiln %s\\fR ", command->name, command->name);
	text_print(command->synopsis);
	printf("\n.PP\nTo %s.\n", command->summary);
	for (size_t i = 0; i < command->options_count; i++)
		option_print(&command->options[i]);
	if (command->text)
		paragraphs_print(command->text);
}

void help_man_print(void)
{
	printf(".SH COMMANDS\n");
	for (size_t i = 0; i < command_table_len; i++)
		command_print(command_table[i]);
	printf(".SH LIMITS\nWith units: 64MiB, 2s.\n");
	for (int i = 0; i < LIMIT_COUNT; i++) {
		printf(".TP\n\\fB%s\\fR\n", limit_table[i].name);
		text_print(limit_table[i].help);
		printf("; default %lld\n", (long long)limit_table[i].default_value);
	}
	printf(".SH SETTINGS\nEach command but help and version takes every setting as an option.\n");
	config_describe("man");
}
