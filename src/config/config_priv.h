/*
 * The parts of config/ among themselves: the table of settings, and one way for a text from any source to become a
 * value.
 */
#ifndef KILN_CONFIG_CONFIG_PRIV_H
#define KILN_CONFIG_CONFIG_PRIV_H

#include "config/config.h"
#include "config/quantity.h"

#include <stdio.h>

enum setting_type {
	SETTING_SWITCH,	 /* bool; a flag needs no value */
	SETTING_TEXT,	 /* may be empty */
	SETTING_PATH,	 /* made absolute */
	SETTING_LIST,	 /* texts; several values add up */
	SETTING_TOKENS,	 /* name=secret; several values add up */
	SETTING_NUMBER,	 /* int64_t with bounds */
	SETTING_CEILING, /* int64_t in config.ceilings; bounds and default are the limit's */
};

struct setting {
	const char *name; /* as in the file; "ceilings.x" is key x of the mapping ceilings */
	enum setting_type type;
	enum quantity quantity; /* of a number */
	enum limit_id limit;	/* of a ceiling */
	size_t offset;		/* in struct config */
	int64_t min, max;	/* of a number, inclusive */
	const char *fallback; /* the default as one would write it; NULL: none, or worked out by defaults.c */
	const char *fallback_help; /* said to people instead of fallback when that is NULL */
	const char *example;	   /* what kiln.conf.example shows; NULL: the default */
	const char *value;	   /* what stands for a value in help; NULL: by its type */
	const char *help;	   /* one sentence without its full stop */
};

extern const struct setting config_settings[];
extern const size_t config_settings_count;

/* Where a value came from, least to most binding. */
enum setting_source {
	SOURCE_NONE,
	SOURCE_DEFAULT,
	SOURCE_FILE,
	SOURCE_ENVIRONMENT,
	SOURCE_FLAG,
};

#define SETTINGS_MAX 64

/* A config while it is being read: who set what, so that a list of a later source replaces an earlier source's. */
struct config_reader {
	struct config *config;
	enum setting_source set_by[SETTINGS_MAX];
};

/* The index of the setting of this name, or -1. */
int setting_by_name(const char *name, size_t len);

/* Inclusive bounds of a number or ceiling. */
void setting_bounds(const struct setting *setting, int64_t *ret_min, int64_t *ret_max);

/* The default as one would write it, or NULL: none, or worked out. `text` is room for it. */
const char *setting_fallback(const struct setting *setting, char *text, size_t size);

/* "KILN_CEILINGS_MEMORY_BYTES" and "--ceilings.memory-bytes" of a setting. */
void setting_variable(const struct setting *setting, char *text, size_t size);
void setting_flag(const struct setting *setting, char *text, size_t size);

/*
 * Gives setting `at` the value that `text` says. `origin` ("kiln.conf:3: queue", "KILN_QUEUE") opens the sentence of an
 * error. A list or the tokens of the same source are added to, of another replaced. A secret is never put in an error.
 */
[[nodiscard]] int setting_set(struct config_reader *reader, size_t at, enum setting_source source,
			      const char *text, const char *origin, struct err *err);

/* Adds a copy of one token; the same rules as setting_set(). */
[[nodiscard]] int setting_add_token(struct config_reader *reader, size_t at, enum setting_source source,
				    const struct config_token *token, const char *origin, struct err *err);

/* Fills in whatever no source has set. */
[[nodiscard]] int config_defaults(struct config_reader *reader, struct err *err);

/* Reads kiln.conf. */
[[nodiscard]] int config_file(struct config_reader *reader, const char *path, struct err *err);

/* config_describe() to a stream. */
void config_describe_to(FILE *out, const char *format);

void config_tokens_clear(struct config *config);

#endif
