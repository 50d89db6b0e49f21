/*
 * The settings for people: help text, man page and the commented kiln.conf.example, all from the one table.
 */
#include "config/config_priv.h"

#include "base/cleanup.h"

#include <string.h>

struct shown {
	const char *help;
	const char *fallback;
	char help_room[192], fallback_room[32];
};

static void show(const struct setting *setting, struct shown *ret)
{
	const char *fallback = setting_fallback(setting, ret->fallback_room, sizeof(ret->fallback_room));

	ret->fallback = fallback && *fallback ? fallback : setting->fallback_help;
	ret->help = setting->help;
	if (setting->type == SETTING_CEILING) {
		snprintf(ret->help_room, sizeof(ret->help_room), "Highest %s that a request may ask for: %s",
			 limit_table[setting->limit].name, limit_table[setting->limit].help);
		ret->help = ret->help_room;
	}
}

static const char *placeholder(const struct setting *setting)
{
	static const char *const names[] = {
		[SETTING_SWITCH] = "",	     [SETTING_TEXT] = "=TEXT",		[SETTING_PATH] = "=PATH",
		[SETTING_LIST] = "=ADDRESS", [SETTING_TOKENS] = "=NAME=SECRET", [SETTING_NUMBER] = "=N",
		[SETTING_CEILING] = "=N",
	};

	return setting->value ? setting->value : names[setting->type];
}

/* Prints words with a line break before the one that would pass `width`; each new line begins with `indent`. */
static void print_wrapped(FILE *out, const char *text, const char *indent, size_t width)
{
	size_t column = width;
	size_t len;

	for (const char *at = text; *at; at += len + strspn(at + len, " ")) {
		len = strcspn(at, " ");
		if (column + 1 + len > width) {
			fprintf(out, "%s%s", at == text ? "" : "\n", indent);
			column = strlen(indent);
		} else {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)len, at);
		column += len;
	}
	fputc('\n', out);
}

static void text_one(FILE *out, const struct setting *setting, const struct shown *shown)
{
	char flag[128], variable[128], line[512];

	setting_flag(setting, flag, sizeof(flag));
	setting_variable(setting, variable, sizeof(variable));
	fprintf(out, "  %s%s\n", flag, placeholder(setting));
	snprintf(line, sizeof(line), "%s. Default: %s. (%s)", shown->help, shown->fallback, variable);
	print_wrapped(out, line, "      ", 100);
}

/* Roff takes a backslash, a leading dot or quote and a plain hyphen for its own. */
static void man_text(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void man_one(FILE *out, const struct setting *setting, const struct shown *shown)
{
	char flag[128], variable[128];

	setting_flag(setting, flag, sizeof(flag));
	setting_variable(setting, variable, sizeof(variable));
	fputs(".TP\n\\fB", out);
	man_text(out, flag);
	fputs("\\fR", out);
	man_text(out, placeholder(setting));
	fputc('\n', out);
	man_text(out, shown->help);
	fputs(". Default: ", out);
	man_text(out, shown->fallback);
	fprintf(out, ". Variable: %s. In kiln.conf: %s.\n", variable, setting->name);
}

static void conf_head(FILE *out)
{
	fputs("# kiln.conf: every setting of kiln with its default. Take the # away from what you change.\n"
	      "# Each can also be given as a variable KILN_NAME and as a flag --name; flags win over "
	      "variables,\n"
	      "# variables over this file. Sizes may end in KiB, MiB, GiB; times in ms, s, m, h.\n",
	      out);
}

static void conf_one(FILE *out, const struct setting *setting, const struct shown *shown)
{
	const char *dot = strchr(setting->name, '.');
	char text[512], room[32];
	const char *fallback = setting_fallback(setting, room, sizeof(room));
	const char *example = setting->example ? setting->example : fallback;

	snprintf(text, sizeof(text), "%s.%s%s%s", shown->help,
		 fallback && *fallback ? "" : " Default: ", fallback && *fallback ? "" : shown->fallback,
		 fallback && *fallback ? "" : ".");
	fputc('\n', out);
	print_wrapped(out, text, "# ", 100);
	if (setting->type == SETTING_TOKENS)
		fputs("#tokens:\n#  someone: a-long-random-secret\n", out);
	else if (setting->type == SETTING_LIST)
		fprintf(out, "#%s: [\"%s\"]\n", setting->name, example);
	else if (dot)
		fprintf(out, "#  %s: %s\n", dot + 1, fallback && *fallback ? fallback : "\"\"");
	else
		fprintf(out, "#%s: %s\n", setting->name, example && *example ? example : "\"\"");
}

/* Settings whose names begin like this stand in a mapping of their own. */
static const struct {
	const char *prefix, *help;
} groups[] = {
	{ "docker.", "The Docker engine." },
	{ "ceilings.", "Ceilings of the limits that a request may ask for; above them it is refused." },
};

static int group_of(const struct setting *setting)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (strncmp(setting->name, groups[i].prefix, strlen(groups[i].prefix)) == 0)
			return (int)i;
	}
	return -1;
}

static void conf_group(FILE *out, int group)
{
	const char *prefix = groups[group].prefix;

	fprintf(out, "\n# %s\n#%.*s:\n", groups[group].help, (int)strlen(prefix) - 1, prefix);
}

static const struct {
	const char *format;
	void (*head)(FILE *out);
	void (*group)(FILE *out, int group);
	void (*one)(FILE *out, const struct setting *setting, const struct shown *shown);
} formats[] = {
	{ "text", NULL, NULL, text_one },
	{ "man", NULL, NULL, man_one },
	{ "conf", conf_head, conf_group, conf_one },
};

void config_describe_to(FILE *out, const char *format)
{
	struct shown shown;
	int before = -1;

	for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
		if (strcmp(formats[f].format, format) != 0)
			continue;
		if (formats[f].head)
			formats[f].head(out);
		for (size_t i = 0; i < config_settings_count; i++) {
			int group = group_of(&config_settings[i]);

			if (group >= 0 && group != before && formats[f].group)
				formats[f].group(out, group);
			before = group;
			show(&config_settings[i], &shown);
			formats[f].one(out, &config_settings[i], &shown);
		}
	}
}

void config_describe(const char *format)
{
	config_describe_to(stdout, format);
}
