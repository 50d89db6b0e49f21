/* Sentences with a number in them. */
#ifndef KILN_BASE_PLURAL_H
#define KILN_BASE_PLURAL_H

#include <stdint.h>

/* `one` for 1, else `many`: "%u %s", n, plural(n, "run is", "runs are"). */
static inline const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

#endif
