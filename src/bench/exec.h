/*
 * The bare side of every comparison: programs started with vfork, exec and wait, one after the other, with stdin from
 * and output to /dev/null, in a folder of their own.
 */
#ifndef KILN_BENCH_EXEC_H
#define KILN_BENCH_EXEC_H

#include "bench/subject.h"

#include <stddef.h>

/* One program: argv[0] is looked up in envp's PATH when it has no slash. Both arrays are NULL-terminated. */
struct exec_step {
	char **argv;
	char **envp; /* NULL: this process's */
};

/*
 * Copies the steps; `dir` is where they run (NULL: here). Returns 0 and *ret (subject_destroy()), -ENOENT when a
 * program is not to be found, -EINVAL without steps, -ENOMEM.
 *
 * once() is -EINVAL when a step does not end with exit code 0; a later step is then not started.
 */
[[nodiscard]] int exec_create(const char *name, const struct exec_step *steps, size_t count, const char *dir,
			      struct subject **ret, struct err *err);

/*
 * As many jobs as `workers` processes get done in `ms` milliseconds, each of them one after the other. Returns 0 and
 * *ret_per_second, or a negative errno when a worker failed.
 */
[[nodiscard]] int exec_rate(struct subject *subject, unsigned workers, unsigned ms, double *ret_per_second,
			    struct err *err);

#endif
