/*
 * A line on stderr that says how far something has come, with a bar where the end is known; on a terminal
 * only.
 */
#ifndef KILN_CMD_PROGRESS_H
#define KILN_CMD_PROGRESS_H

#include "image/program.h"

#include <stdbool.h>

struct progress {
	bool shown; /* stderr is a terminal */
	unsigned columns;
	uint64_t drawn_ms, phase_ms; /* monotonic: the last drawing, and the begin of the phase */
	uint64_t phase_from;	     /* what was done when it began */
	char phase[64];
	bool watched; /* see progress_watch() */
	int signal;   /* that asked for an end, or 0 */
};

/* Begins; finds out whether stderr is a terminal and how wide. */
void progress_init(struct progress *progress);

/* To be handed to struct image_make; `progress` must outlive it. */
struct image_progress progress_handle(struct progress *progress);

/*
 * SIGINT, SIGTERM and SIGHUP give up what is told of (-ECANCELED) instead of ending this process, so that it can tidy
 * up; a second one ends it. They stay blocked; what is ignored stays so. For processes with one thread.
 */
void progress_watch(struct progress *progress);

/* The signal that asked for an end, also one that nothing has been told of since; 0: none. */
int progress_signal(struct progress *progress);

/* Clears the line. */
void progress_finish(struct progress *progress);

/*
 * The line itself, at most `columns` wide: "downloading [####      ] 34.5 MiB of 80 MiB, 2.1 MiB/s". `rate` is
 * bytes a second, 0 not known. Returns `text`.
 */
char *progress_line(const char *phase, uint64_t done, uint64_t total, uint64_t rate, unsigned columns,
		    char *text, size_t size);

#endif
