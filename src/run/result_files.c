/* Which of the files that were collected stand in the answer. */
#include "run/result.h"

#include "base/glob.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_LOOK_BYTES 8192

static bool is_binary(const struct result_file *file)
{
	return file->len > 0 &&
	       memchr(file->data, 0, file->len < TEXT_LOOK_BYTES ? file->len : TEXT_LOOK_BYTES);
}

static bool matches(char *const *globs, const char *name)
{
	for (; globs && *globs; globs++) {
		if (glob_chooses(*globs, name))
			return true;
	}
	return false;
}

static void omit_binary(struct result_file *file)
{
	free(file->data);
	file->data = NULL;
	file->len = 0;
	file->truncated = false;
	file->change = FILE_OMITTED;
	file->reason = "binary";
}

void result_files_choose(struct run_result *result, enum collect_mode mode, char *const *globs)
{
	size_t kept = 0;

	for (size_t i = 0; i < result->files_count; i++) {
		struct result_file *file = &result->files[i];
		bool content = file->change == FILE_CREATED || file->change == FILE_CHANGED;

		if (mode == COLLECT_NONE || (mode == COLLECT_GLOBS && !matches(globs, file->name))) {
			free(file->name);
			free(file->data);
			continue;
		}
		if (mode == COLLECT_TEXT && content && is_binary(file))
			omit_binary(file);
		result->files[kept++] = *file;
	}
	result->files_count = kept;
	if (mode == COLLECT_NONE)
		result->collected = false;
}
