/*
 * Names of runs: 26 characters of Crockford's base32 (a ULID): 48 bits of milliseconds since 1970, then 80
 * random bits. Unique across nodes without asking one, and sorted by time as text.
 */
#ifndef KILN_RUN_RUN_ID_H
#define KILN_RUN_RUN_ID_H

#include "base/err.h"

#include <stdint.h>

#define RUN_ID_LEN 26

/* Pure: the text of a time and 10 random bytes. */
void run_id_format(uint64_t unix_ms, const uint8_t random[10], char ret[RUN_ID_LEN + 1]);

/*
 * A new one, from the clock and getrandom(2). Returns 0 or a negative errno. Does not block once the machine is
 * up.
 */
[[nodiscard]] int run_id_make(char ret[RUN_ID_LEN + 1], struct err *err);

#endif
