/*
 * The sub-commands of `kiln language`, each in a file of its own.
 */
#ifndef KILN_CMD_LANGUAGE_H
#define KILN_CMD_LANGUAGE_H

#include "base/err.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Runs the checks of the languages that `names` chooses (id, alias, name@range), of all that are available when there
 * are none, and prints a table or JSON on stdout. 1 when all is well, 0 when a check failed or there was nothing to
 * check, or a negative errno.
 */
[[nodiscard]] int language_test(const struct config *config, const char *const *names, size_t count,
				bool json, struct err *err);

/*
 * Checks a language file and copies it into the state folder's `languages`, in the place of one of the same id there.
 * Says on stdout what came of it. 0 or a negative errno, nothing changed then.
 */
[[nodiscard]] int language_add(const struct config *config, const char *path, struct err *err);

#endif
