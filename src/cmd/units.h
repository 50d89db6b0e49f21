/*
 * Limits and sizes as people write and read them.
 */
#ifndef KILN_CMD_UNITS_H
#define KILN_CMD_UNITS_H

#include "base/err.h"
#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

/* Reads "NAME=VALUE" of --limit into its place, units as in config/quantity.h. 0, or -EINVAL with a sentence. */
[[nodiscard]] int limit_read(const char *text, struct limits *limits, struct err *err);

/* Bytes for people: "64 MiB", "1.5 GiB", "12 B". Returns `text`. */
const char *bytes_show(uint64_t bytes, char *text, size_t size);

#endif
