#include "config/quantity.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	enum quantity quantity;
	const char *name;
	int64_t factor;
};

/* The largest of a quantity first: quantity_format() takes the first that divides. */
static const struct unit units[] = {
	{ QUANTITY_COUNT, "", 1 },
	{ QUANTITY_BYTES, "TiB", 1LL << 40 },
	{ QUANTITY_BYTES, "GiB", 1LL << 30 },
	{ QUANTITY_BYTES, "MiB", 1LL << 20 },
	{ QUANTITY_BYTES, "KiB", 1LL << 10 },
	{ QUANTITY_BYTES, "", 1 },
	{ QUANTITY_BYTES, "B", 1 },
	{ QUANTITY_MS, "h", 3600000 },
	{ QUANTITY_MS, "m", 60000 },
	{ QUANTITY_MS, "s", 1000 },
	{ QUANTITY_MS, "ms", 1 },
	{ QUANTITY_MS, "", 1 },
};

static const char *const hints[] = {
	[QUANTITY_COUNT] = "a whole number, such as 64",
	[QUANTITY_BYTES] = "a number of bytes, such as 67108864 or 64MiB",
	[QUANTITY_MS] = "a time, such as 1500 (milliseconds), 500ms, 20s or 2m",
};

const char *quantity_hint(enum quantity quantity)
{
	return hints[quantity];
}

int quantity_parse(const char *text, enum quantity quantity, int64_t *ret)
{
	const char *at = text;
	int64_t value = 0;

	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *at - '0', &value))
			return -ERANGE;
	}
	if (*at == ' ' && at[1] != '\0')
		at++;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (units[i].quantity != quantity || strcmp(units[i].name, at) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return -ERANGE;
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

enum quantity quantity_of_limit(enum limit_id limit)
{
	const char *name = limit_table[limit].name;
	size_t len = strlen(name);

	if (len > 6 && strcmp(name + len - 6, "_bytes") == 0)
		return QUANTITY_BYTES;
	if (len > 3 && strcmp(name + len - 3, "_ms") == 0)
		return QUANTITY_MS;
	return QUANTITY_COUNT;
}

void quantity_format(int64_t value, enum quantity quantity, char *text, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (units[i].quantity != quantity || (value == 0 && units[i].factor != 1))
			continue;
		if (value % units[i].factor == 0) {
			snprintf(text, size, "%lld%s", (long long)(value / units[i].factor), units[i].name);
			return;
		}
	}
}
