#include "api/api.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strv.h"
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "config/config.h"
#include "lib/node.h"

#include <errno.h>

#define COLUMNS 6

enum option_id {
	OPTION_JSON,
};

static const struct arg_option languages_options[] = {
	{ OPTION_JSON, 0, "json", NULL, "print them as JSON, in the shape of GET /v1/languages" },
};

static int languages_option(void *user, int id, const char *value, struct err *err)
{
	*(bool *)user = true;
	return 0;
}

/* "py, python3", or NULL when out of memory. */
static char *joined(char *const *words)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);

	for (size_t i = 0; i < strv_len(words); i++) {
		if (buf_printf(&text, "%s%s", i > 0 ? ", " : "", words[i]) < 0)
			return NULL;
	}
	return (char *)buf_take(&text, NULL);
}

static size_t languages_count(const struct language_registry *reg)
{
	size_t count = 0;

	for (const struct language *l = language_next(reg, NULL); l; l = language_next(reg, l))
		count++;
	return count;
}

static int languages_table(const struct language_registry *reg, struct err *err)
{
	size_t rows = languages_count(reg) + 1, row = 1;
	AUTO_FREE const char **cells = calloc(rows * COLUMNS, sizeof(*cells));
	AUTO_FREE char **aliases = calloc(rows, sizeof(*aliases));
	static const char *const head[COLUMNS] = { "LANGUAGE", "NAME",	    "VERSION",
						   "IMAGE",    "AVAILABLE", "ALIASES" };

	if (!cells || !aliases)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(cells, head, sizeof(head));
	for (const struct language *l = language_next(reg, NULL); l; l = language_next(reg, l), row++) {
		const char **cell = cells + row * COLUMNS;

		aliases[row] = joined(l->aliases);
		cell[0] = l->id;
		cell[1] = l->name;
		cell[2] = l->version;
		cell[3] = l->image;
		cell[4] = l->available ? "yes" : l->needs_registry ? "needs registry" : "no";
		cell[5] = aliases[row];
	}
	table_print(cells, rows, COLUMNS);
	for (size_t i = 0; i < rows; i++)
		free(aliases[i]);
	return 0;
}

static int languages_main(const struct command *command, int argc, char *const *argv)
{
	struct language_registry *languages = NULL;
	struct config config = { 0 };
	struct err err = ERR_INIT;
	AUTO_ARGS struct args args;
	bool json = false;
	int status, r;

	if (cmd_begin(command, argc, argv, languages_option, &json, &args, &status))
		return status;
	r = config_load(args.config, args.flags, &config, &err);
	if (r >= 0)
		r = node_languages_load(&config, &languages, &err);
	if (r >= 0)
		r = json ? cmd_json_print(api_languages_json(languages), &err)
			 : languages_table(languages, &err);
	language_registry_destroy(languages);
	config_finish(&config);
	return r < 0 ? cmd_fail(CMD_USAGE, &err) : CMD_OK;
}

const struct command command_languages = {
	.name = "languages",
	.summary = "list the languages and whether this host can run them",
	.synopsis = "[--json]",
	.options = languages_options,
	.options_count = ARRAY_LEN(languages_options),
	.settings = true,
	.exit_usage = CMD_USAGE,
	.main = languages_main,
};
