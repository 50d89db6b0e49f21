/*
 * Programs that fetch and build, run as children: mmdebstrap, skopeo, tar, npm.
 *
 * They get a small environment of their own, nothing of ours but PATH, HOME, the proxies and what the caller
 * adds; stdin is empty, stderr is read for what they say about themselves, and they are told to end (SIGTERM)
 * when this process dies.
 */
#ifndef KILN_IMAGE_PROGRAM_H
#define KILN_IMAGE_PROGRAM_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How far something has come, told a few times a second: `phase` in a few words, bytes done and of how many
 * (0: not known). Not 0: the work is to be given up (-ECANCELED).
 */
struct image_progress {
	int (*tell)(void *user, const char *phase, uint64_t done, uint64_t total);
	void *user;
};

int progress_tell(const struct image_progress *progress, const char *phase, uint64_t done, uint64_t total);

struct program_spec {
	const char *const *argv;
	char *const *env;  /* added; NULL: none */
	const char *dir;   /* NULL: "/" */
	bool takes_stdout; /* a pipe for its stdout in program.stdout_fd; else it goes with stderr */
	bool contained;	   /* as root: see program_contain() */
};

struct program {
	pid_t pid;
	int stdout_fd, stderr_fd;
	struct buf line;  /* an unfinished line of stderr */
	char said[256];	  /* its last line that was none of progress, made printable */
	char failed[256]; /* its first line that reads like an error */
	void (*on_line)(void *user, const char *line);
	void *user;
	const char *name;
};

/* -ENOENT: no such program, with a sentence that says which package has it. */
[[nodiscard]] int program_start(const struct program_spec *spec, struct program *ret, struct err *err);

/* Reads what it has said, without waiting. */
void program_listen(struct program *program);

/* Waits up to `ms` for something to be said. True when it closed its stderr: it is about to end. */
bool program_wait(struct program *program, int ms);

/* Waits for its end. 0, or -EIO with its last words when its status is not 0. */
[[nodiscard]] int program_end(struct program *program, struct err *err);

/*
 * In a child that is about to execute a program, as root: gives it pid and mount namespaces of its own, so that
 * whatever it starts and mounts is gone with it, however that ends. Returns in the one that is to execute; its parents
 * wait and end as it does. Where that cannot be had it returns in the caller, with nothing changed.
 */
void program_contain(void);

/* Kills it if it still runs. Fine after program_end(), and on a zeroed one. */
void program_stop(struct program *program);

/* Runs a program to its end and throws away what it says. 0 or a negative errno. */
[[nodiscard]] int program_run_quietly(const char *const *argv);

/* Runs one to its end and keeps its stdout, at most `max` bytes. */
[[nodiscard]] int program_run_read(const char *const *argv, struct buf *ret, struct err *err);

#endif
