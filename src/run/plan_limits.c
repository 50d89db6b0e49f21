#include "run/plan_priv.h"

#include <stdio.h>

#define TMPFS_PAGE 4096ULL

/* A ceiling that nobody set is the limit's own. */
static int64_t ceiling_of(const struct limits *ceilings, int limit)
{
	return ceilings->value[limit] != LIMIT_UNSET ? ceilings->value[limit]
						     : limit_table[limit].default_ceiling;
}

int plan_limits_check(const struct limits *asked, const struct limits *ceilings, const char *prefix,
		      struct err *err)
{
	const char *name;
	char field[128];
	long long value, bound;

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (asked->value[i] == LIMIT_UNSET)
			continue;
		name = limit_table[i].name;
		value = asked->value[i];
		snprintf(field, sizeof(field), "%s.%s", prefix, name);
		bound = ceiling_of(ceilings, i);
		if (value > bound)
			return err_refuse(err, ERR_IMPOSSIBLE, "limit_too_high", field,
					  "%s: %lld is over the ceiling of this node, %lld", field, value,
					  bound);
		bound = limit_table[i].minimum;
		if (value < bound)
			return err_refuse(err, ERR_IMPOSSIBLE, "limit_too_low", field,
					  "%s: %lld is under the minimum, %lld", field, value, bound);
	}
	return 0;
}

struct limits plan_limits_resolve(const struct limits *language, const struct limits *request,
				  const struct limits *step, const struct limits *ceilings)
{
	struct limits limits;

	for (int i = 0; i < LIMIT_COUNT; i++) {
		limits.value[i] = limit_table[i].default_value;
		if (language && language->value[i] != LIMIT_UNSET)
			limits.value[i] = language->value[i];
		if (limits.value[i] > ceiling_of(ceilings, i))
			limits.value[i] = ceiling_of(ceilings, i);
	}
	limits_merge(&limits, &limits, request);
	if (step)
		limits_merge(&limits, &limits, step);
	return limits;
}

struct limits plan_limits_default(const struct limits *ceilings)
{
	const struct limits none = { 0 };

	return plan_limits_resolve(NULL, &none, NULL, ceilings);
}

void plan_limits_share_disk(struct plan_step *steps, size_t count)
{
	size_t end;
	int64_t largest;

	for (size_t begin = 0; begin < count; begin = end) {
		largest = 0;
		for (end = begin; end < count && (end == begin || !steps[end].fresh); end++) {
			if (steps[end].limits.value[LIMIT_DISK_BYTES] > largest)
				largest = steps[end].limits.value[LIMIT_DISK_BYTES];
		}
		for (size_t i = begin; i < end; i++)
			steps[i].limits.value[LIMIT_DISK_BYTES] = largest;
	}
}

uint64_t plan_files_bytes(const struct run_file *files, size_t count)
{
	uint64_t total = 0, pages;

	for (size_t i = 0; i < count; i++) {
		if (__builtin_add_overflow(files[i].len, TMPFS_PAGE - 1, &pages) ||
		    __builtin_add_overflow(total, pages / TMPFS_PAGE * TMPFS_PAGE, &total))
			return UINT64_MAX;
	}
	return total;
}
