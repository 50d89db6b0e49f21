/*
 * Versions: their order, ranges of them, and how to know that of an installed program without running it.
 *
 * How the probe works: distributions install an interpreter or compiler under a name with its version and link the
 * plain name to it (python3 -> python3.11, gcc -> gcc-12, perl = perl5.36.0). A file beside the plain name that is the
 * same inode and whose name fits the pattern therefore tells the version; a merely similar name tells nothing.
 */
#include "run/language_priv.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION_MAX 64

static const char placeholder[] = "{version}";

/* Reads one number of a version and steps over it and a dot; a number without end counts as the largest. */
static uint64_t next_number(const char **at)
{
	uint64_t value = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, **at - '0', &value))
			value = UINT64_MAX / 10;
	}
	if (**at == '.')
		(*at)++;
	return value;
}

int language_version_compare(const char *a, const char *b)
{
	uint64_t x, y;

	while (*a && *b) {
		x = next_number(&a);
		y = next_number(&b);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return (*a != '\0') - (*b != '\0');
}

/* Compares as many numbers as the bound has, so that 3.11.2 equals the bound 3.11. */
static int compare_to_bound(const char *version, const char *bound)
{
	uint64_t x, y;

	while (*bound) {
		x = next_number(&version);
		y = next_number(&bound);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static bool is_version(const char *text)
{
	size_t digits = 0;

	if (strlen(text) >= VERSION_MAX)
		return false;
	for (; *text; text++) {
		if (*text >= '0' && *text <= '9')
			digits++;
		else if (*text == '.' && digits > 0)
			digits = 0;
		else
			return false;
	}
	return digits > 0;
}

struct range_operator {
	const char *sign;
	bool fits[3]; /* when the version is under, at, over the bound */
};

static const struct range_operator operators[] = {
	{ ">=", { false, true, true } }, { "<=", { true, true, false } }, { ">", { false, false, true } },
	{ "<", { true, false, false } }, { "=", { false, true, false } }, { "", { false, true, false } },
};

/* "17-21": 1 fits, 0 not, -1 not written so. */
static int span_fits(const char *version, char *term)
{
	char *dash = strchr(term, '-');

	if (!dash)
		return -1;
	*dash = '\0';
	if (!is_version(term) || !is_version(dash + 1))
		return -1;
	return compare_to_bound(version, term) >= 0 && compare_to_bound(version, dash + 1) <= 0;
}

/* One term of a range: 1 fits, 0 not, -1 not a term. */
static int term_fits(const char *version, char *term)
{
	const struct range_operator *op = operators;
	size_t len;

	if (strcmp(term, "*") == 0)
		return 1;
	if (strchr(term, '-'))
		return span_fits(version, term);
	while (strncmp(term, op->sign, strlen(op->sign)) != 0)
		op++;
	term += strlen(op->sign);
	term += strspn(term, " ");
	len = strlen(term);
	if (len > 2 && (strcmp(term + len - 2, ".x") == 0 || strcmp(term + len - 2, ".*") == 0))
		term[len - 2] = '\0';
	if (!is_version(term))
		return -1;
	return op->fits[compare_to_bound(version, term) + 1];
}

/* 1 when every term fits, 0 when one does not, -1 when it is not a range. */
static int range_fits(const char *version, const char *range)
{
	char term[VERSION_MAX * 2];
	size_t len, used;
	int all = 1, one;

	for (;; range += len + 1) {
		range += strspn(range, " ");
		len = strcspn(range, ",");
		for (used = len; used > 0 && range[used - 1] == ' ';)
			used--;
		if (used == 0 || used >= sizeof(term))
			return -1;
		memcpy(term, range, used);
		term[used] = '\0';
		one = term_fits(version, term);
		if (one < 0)
			return -1;
		/* What is not known fits no bound. */
		if (one == 0 || (!*version && strcmp(term, "*") != 0))
			all = 0;
		if (range[len] == '\0')
			return all;
	}
}

bool language_version_fits(const char *version, const char *range)
{
	return !range || range_fits(version, range) == 1;
}

bool language_range_valid(const char *range)
{
	return range_fits("", range) >= 0;
}

/* Copies what stands in `name` in the place of {version}; false when the name does not fit the pattern. */
static bool version_in_name(const char *name, const char *pattern, char *ret, size_t size)
{
	const char *mark = strstr(pattern, placeholder);
	size_t before = (size_t)(mark - pattern);
	const char *tail = mark + strlen(placeholder);
	size_t name_len = strlen(name), tail_len = strlen(tail), len;

	if (name_len <= before + tail_len || strncmp(name, pattern, before) != 0 ||
	    strcmp(name + name_len - tail_len, tail) != 0)
		return false;
	len = name_len - before - tail_len;
	if (len >= size)
		return false;
	memcpy(ret, name + before, len);
	ret[len] = '\0';
	return is_version(ret);
}

/* Looks through the folder of the pattern for names of the same file; keeps the longest version in `best`. */
static void probe_pattern(const struct stat *program, const char *pattern, char *best, size_t size)
{
	const char *slash = strrchr(pattern, '/');
	char folder[512], version[VERSION_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (!slash || !strstr(slash, placeholder) || (size_t)(slash - pattern) >= sizeof(folder))
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - pattern), pattern);
	dir = opendir(*folder ? folder : "/");
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!version_in_name(entry->d_name, slash + 1, version, sizeof(version)))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || st.st_dev != program->st_dev ||
		    st.st_ino != program->st_ino)
			continue;
		if (strlen(version) > strlen(best))
			snprintf(best, size, "%s", version);
	}
	closedir(dir);
}

int language_version_probe(const char *path, char *const *patterns, char **ret)
{
	char best[VERSION_MAX] = "";
	struct stat program;
	char *copy;

	if (stat(path, &program) == 0) {
		for (; patterns && *patterns; patterns++)
			probe_pattern(&program, *patterns, best, sizeof(best));
	}
	copy = strdup(best);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}
