/*
 * Gives each file of the named folders to a fuzz target once: what fuzzing found stays found, without a fuzzer. Fails
 * when there is none, so that a moved folder does not pass for a tested one.
 */
#include "base/cleanup.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SEED_MAX (4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool replay_file(const char *path)
{
	AUTO_FREE uint8_t *whole = malloc(SEED_MAX);
	FILE *file = fopen(path, "rb");
	AUTO_FREE uint8_t *exact = NULL;
	size_t len;

	if (!file || !whole) {
		perror(path);
		return false;
	}
	len = fread(whole, 1, SEED_MAX, file);
	fclose(file);
	/* Of the exact length, for a sanitizer to see the first byte read behind it. */
	exact = realloc(TAKE_PTR(whole), len ? len : 1);
	return exact && LLVMFuzzerTestOneInput(exact, len) == 0;
}

static size_t replay_folder(const char *path, bool *ok)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	while (dir && (entry = readdir(dir))) {
		AUTO_FREE char *file = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0 || !replay_file(file))
			*ok = false;
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	bool ok = argc > 1;

	for (int i = 1; i < argc; i++) {
		size_t count = replay_folder(argv[i], &ok);

		printf("%s: %zu seeds\n", argv[i], count);
		if (count == 0)
			ok = false;
	}
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
