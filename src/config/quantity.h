/*
 * Numbers as people write them in settings, language files and --limit: whole, not negative, with or without a unit.
 *
 * A count has no unit. Bytes: none, B, KiB, MiB, GiB, TiB (powers of 1024). Milliseconds: none, ms, s, m, h. A space
 * may stand before the unit. Fractions are not accepted: what is written is exactly what holds.
 */
#ifndef KILN_CONFIG_QUANTITY_H
#define KILN_CONFIG_QUANTITY_H

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

enum quantity {
	QUANTITY_COUNT,
	QUANTITY_BYTES,
	QUANTITY_MS,
};

/* 0, -EINVAL when `text` is not such a number, -ERANGE when it does not fit. Nothing is written on failure. */
[[nodiscard]] int quantity_parse(const char *text, enum quantity quantity, int64_t *ret);

/* What may be written, for errors: "a number of bytes, such as 67108864 or 64MiB". */
const char *quantity_hint(enum quantity quantity);

/* The quantity in which a limit is counted, told from its name. */
enum quantity quantity_of_limit(enum limit_id limit);

/* The shortest exact spelling, e.g. "64MiB", "20s", "4096". */
void quantity_format(int64_t value, enum quantity quantity, char *text, size_t size);

#endif
