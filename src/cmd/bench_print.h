/*
 * A report of `kiln bench` for people.
 */
#ifndef KILN_CMD_BENCH_PRINT_H
#define KILN_CMD_BENCH_PRINT_H

#include "bench/bench.h"

/* Prints it on stdout. 0, or -ENOMEM with *err filled. */
[[nodiscard]] int bench_print(const struct bench_options *options, const struct bench_report *report,
			      struct err *err);

#endif
