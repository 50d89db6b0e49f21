/*
 * Reads a command's arguments against its table of options: "--name=value", "--name value", "-x value", "-xvalue", in
 * any order with the operands; "--" ends them. The settings of kiln.conf, which are flags of most commands, are passed
 * through for config_load(). Pure but for its memory.
 */
#ifndef KILN_CMD_ARGS_H
#define KILN_CMD_ARGS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct arg_option {
	int id;
	char letter;	   /* 0: no short form */
	const char *name;  /* without the dashes */
	const char *value; /* what the value is called, e.g. "FILE"; NULL: takes none */
	const char *help;
};

struct args {
	bool help;	       /* --help or -h was given */
	const char *config;    /* of --config, or NULL; points into argv, as do the operands and rest */
	char **flags;	       /* strv: settings as "--name=value" */
	const char **operands; /* not NULL-terminated */
	size_t operands_count;
	char *const *rest; /* what stood behind "--", or NULL when there was no "--" */
	size_t rest_count;
};

/* One option was read; `value` is NULL when it takes none. A negative errno with *err filled ends the reading. */
typedef int (*args_option_fn)(void *user, int id, const char *value, struct err *err);

struct args_spec {
	const struct arg_option *options;
	size_t options_count;
	bool settings;
	args_option_fn on_option; /* NULL: the table is empty */
	void *user;
};

/*
 * Returns 0, or -EINVAL with a sentence (unknown option, value missing or not wanted), or -ENOMEM. *ret is initialised
 * in any case: args_finish().
 */
[[nodiscard]] int args_parse(const struct args_spec *spec, int argc, char *const *argv, struct args *ret,
			     struct err *err);

void args_finish(struct args *args);

#define AUTO_ARGS __attribute__((cleanup(args_finish)))

#endif
