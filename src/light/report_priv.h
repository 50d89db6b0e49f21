/* What the readers of reports share. */
#ifndef KILN_LIGHT_REPORT_PRIV_H
#define KILN_LIGHT_REPORT_PRIV_H

#include "light/report.h"

/*
 * Adds a test with a copy of its name, cut and cleaned. Returns 0 and *ret unless NULL (the test, or NULL where there
 * were too many), or -ENOMEM.
 */
[[nodiscard]] int report_add(struct report *report, const char *name, size_t name_len, bool passed,
			     struct report_test **ret);

/* Gives a test its message, unless it has one; white space around it is left out. 0 or -ENOMEM. */
[[nodiscard]] int report_set_message(struct report_test *test, const char *text, size_t len);

#endif
