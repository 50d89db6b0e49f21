/*
 * The sub-commands of `kiln`: one file each, one entry each in command_table (main.c), from which the dispatcher,
 * `kiln help` and the test of the man page and the completion read.
 *
 * A command gets the arguments behind its name (argv[-1] is the name, argv[-2] the program), does its work and returns
 * the exit status of the process. It prints what was asked for on stdout, sentences for people on stderr, and never
 * calls exit().
 */
#ifndef KILN_CMD_CMD_H
#define KILN_CMD_CMD_H

#include "base/err.h"
#include "cmd/args.h"

#include <jansson.h>
#include <stdbool.h>

enum cmd_exit {
	CMD_OK = 0,
	CMD_DEGRADED = 1,     /* doctor: works, but not with all walls */
	CMD_USAGE = 2,	      /* bad usage or settings; doctor: cannot run */
	CMD_TIME = 124,	      /* run: a time limit */
	CMD_KILN = 125,	      /* run: an error of kiln's own, bad usage too */
	CMD_MEMORY = 137,     /* run: the memory limit */
	CMD_SIGNAL_BASE = 128 /* run: plus the number of the signal */
};

struct command {
	const char *name;
	const char *summary;  /* half a sentence */
	const char *synopsis; /* what stands behind the name */
	const char *text;     /* paragraphs behind the options; NULL: none */
	const struct arg_option *options;
	size_t options_count;
	bool operands;	/* takes words that are no options */
	bool settings;	/* takes --config and every setting of kiln.conf as a flag */
	int exit_usage; /* what bad usage exits with */
	int (*main)(const struct command *command, int argc, char *const *argv);
};

extern const struct command command_run, command_serve, command_doctor, command_languages, command_language,
	command_image, command_images, command_bench, command_help, command_version;

extern const struct command *const command_table[];
extern const size_t command_table_len;

/* The command of this name, or NULL. */
const struct command *command_find(const char *name);

/* Prints the page of one command, or the overview when it is NULL, on stdout. Returns CMD_OK. */
int help_print(const struct command *command);

/* Prints the generated middle of kiln(1) on stdout. */
void help_man_print(void);

/* Prints "kiln: sentence" on stderr and returns `status`. */
int cmd_fail(int status, const struct err *err);

/* Prints a document on stdout, for --json, and drops its reference. Negative: it is NULL or cannot be printed. */
int cmd_json_print(json_t *json, struct err *err);

/*
 * What every command does with its arguments: reads them with args_parse(); --help prints the page, bad usage one line
 * on stderr. Returns true when the command is over, with its exit status in *ret_status.
 */
bool cmd_begin(const struct command *command, int argc, char *const *argv, args_option_fn on_option,
	       void *user, struct args *ret, int *ret_status);

#endif
