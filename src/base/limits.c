#include "base/limits.h"

#include <string.h>

#define MIB (1024L * 1024)

const struct limit_info limit_table[LIMIT_COUNT] = {
	[LIMIT_WALL_MS] = { "wall_ms", 1, 10000, 120000, "time by the clock on the wall" },
	[LIMIT_CPU_MS] = { "cpu_ms", 1, 10000, 120000, "processor time of all processes together" },
	[LIMIT_MEMORY_BYTES] = { "memory_bytes", 4 * MIB, 256 * MIB, 4096 * MIB,
				 "memory of all processes together, files written included" },
	[LIMIT_PROCESSES] = { "processes", 1, 64, 1024, "processes and threads at one time" },
	[LIMIT_OUTPUT_BYTES] = { "output_bytes", 1, MIB, 64 * MIB, "stdout and stderr, each" },
	[LIMIT_DISK_BYTES] = { "disk_bytes", 64 * 1024, 64 * MIB, 1024 * MIB,
			       "all that the sandbox can write" },
	[LIMIT_FILE_BYTES] = { "file_bytes", 1, 256 * MIB, 1024 * MIB, "one file" },
	[LIMIT_OPEN_FILES] = { "open_files", 8, 512, 4096, "open descriptors of one process" },
	[LIMIT_STACK_BYTES] = { "stack_bytes", 64 * 1024, 16 * MIB, 1024 * MIB, "stack of one process" },
	[LIMIT_CPU_PERCENT] = { "cpu_percent", 1, 6400, 6400, "share of processors, 100 is one core" },
};

int limit_by_name(const char *name)
{
	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (strcmp(limit_table[i].name, name) == 0)
			return i;
	}
	return -1;
}

void limits_merge(struct limits *ret, const struct limits *base, const struct limits *over)
{
	struct limits merged;

	for (int i = 0; i < LIMIT_COUNT; i++)
		merged.value[i] = over->value[i] != LIMIT_UNSET ? over->value[i] : base->value[i];
	*ret = merged;
}
