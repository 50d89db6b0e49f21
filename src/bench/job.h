/*
 * What is run: a request as POST /v1/runs takes it, and the same thing done without kiln, on this machine: the files
 * written to a folder, and each step's command started there with the very arguments and environment that kiln would
 * give it.
 */
#ifndef KILN_BENCH_JOB_H
#define KILN_BENCH_JOB_H

#include "bench/subject.h"
#include "run/plan.h"

#include <stddef.h>

struct job {
	char *body; /* JSON */
	size_t body_len;
	char *label; /* for people, e.g. "python" or "/bin/true" */
	char *dir;   /* of the bare run, or NULL; removed by job_finish() */
};

/* A command in an image. 0 and *ret (job_finish()), -ENOMEM. */
[[nodiscard]] int job_of_command(const char *image, char *const *argv, size_t argc, struct job *ret,
				 struct err *err);

/* A language's own hello program. -ENOENT: no such language here, or it is not available. */
[[nodiscard]] int job_of_language(const struct language_registry *languages, const char *id, struct job *ret,
				  struct err *err);

/* A request out of a file. -errno of reading it. */
[[nodiscard]] int job_of_file(const char *path, struct job *ret, struct err *err);

void job_finish(struct job *job);

/*
 * The bare side: makes the folder, writes the files and returns the subject (subject_destroy()). -EINVAL for a request
 * that plan_make() refuses, or whose image is not this host's own: there is nothing to compare with.
 */
[[nodiscard]] int job_bare(struct job *job, const struct plan_context *context, struct subject **ret,
			   struct err *err);

/* plan_context's image_find for job_bare(): the host's image alone. */
const char *job_image_find(void *user, const char *name);

#endif
