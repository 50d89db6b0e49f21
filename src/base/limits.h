/*
 * The limits of a run, as one table that the API, the command line, the configuration, the keeper and init share.
 *
 * Values are int64: bytes for *_bytes, milliseconds for *_ms, a count, or percent of one core. LIMIT_UNSET (0) in a
 * request means "take the default"; after resolving every value is between the limit's minimum and its ceiling.
 */
#ifndef KILN_BASE_LIMITS_H
#define KILN_BASE_LIMITS_H

#include <stdint.h>

enum limit_id {
	LIMIT_WALL_MS,
	LIMIT_CPU_MS,
	LIMIT_MEMORY_BYTES,
	LIMIT_PROCESSES, /* processes and threads together */
	LIMIT_OUTPUT_BYTES,
	LIMIT_DISK_BYTES,
	LIMIT_FILE_BYTES,
	LIMIT_OPEN_FILES,
	LIMIT_STACK_BYTES,
	LIMIT_CPU_PERCENT,
	LIMIT_COUNT,
};

#define LIMIT_UNSET 0

struct limits {
	int64_t value[LIMIT_COUNT];
};

struct limit_info {
	const char *name; /* as in API.md */
	int64_t minimum;
	int64_t default_value;	 /* where neither request nor language says one */
	int64_t default_ceiling; /* where the configuration says none */
	const char *help;	 /* half a sentence for --help and openapi */
};

extern const struct limit_info limit_table[LIMIT_COUNT];

/* The limit of this name, or -1. */
int limit_by_name(const char *name);

/* For each limit: `over` where set, else `base`. */
void limits_merge(struct limits *ret, const struct limits *base, const struct limits *over);

#endif
