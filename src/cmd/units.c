#include "cmd/units.h"

#include "base/cleanup.h"
#include "config/quantity.h"

#include <errno.h>

int limit_read(const char *text, struct limits *limits, struct err *err)
{
	const char *equals = strchr(text, '=');
	AUTO_FREE char *name = NULL;
	enum quantity quantity;
	int64_t value;
	int limit, r;

	if (!equals)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL,
				  "--limit wants NAME=VALUE, not '%.64s'", text);
	name = strndup(text, (size_t)(equals - text));
	if (!name)
		return err_set(err, -ENOMEM, "out of memory");
	limit = limit_by_name(name);
	if (limit < 0)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", NULL, "there is no limit '%.64s'", name);

	quantity = quantity_of_limit((enum limit_id)limit);
	r = quantity_parse(equals + 1, quantity, &value);
	if (r < 0)
		return err_refuse(err, ERR_MALFORMED, "bad_usage", name, "limit %s: '%.64s' is not %s", name,
				  equals + 1, quantity_hint(quantity));
	if (value < limit_table[limit].minimum)
		return err_refuse(err, ERR_IMPOSSIBLE, "limit_too_low", name,
				  "limit %s: '%.64s' is below its minimum, %lld", name, equals + 1,
				  (long long)limit_table[limit].minimum);
	limits->value[limit] = value;
	return 0;
}

const char *bytes_show(uint64_t bytes, char *text, size_t size)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1024 && i + 1 < ARRAY_LEN(names)) {
		value /= 1024;
		i++;
	}
	if (i == 0)
		snprintf(text, size, "%llu B", (unsigned long long)bytes);
	else
		snprintf(text, size, "%.1f %s", value, names[i]);
	return text;
}
