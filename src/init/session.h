/* What is different in a member of a session: session.c. */
#ifndef KILN_INIT_SESSION_H
#define KILN_INIT_SESSION_H

#include "init/init_priv.h"

#include <time.h>

/* Before anybody waits: opens the home, in the role of a run. */
void session_begin(struct init *init);
/* Before anybody waits, behind the fork of a process ahead. */
void session_own_pages(struct init *init);
/* Once there is something to look at: as init itself, whose capabilities open what the user made unreadable. */
void files_as_init(const struct init *init, bool *done);
/*
 * As init, whose capabilities open what the user has closed to himself. What is not his own, in a session, is opened as
 * he could open it: others may have put it here. A descriptor, or -1 and errno.
 */
int session_open_entry(const struct init *init, int dir_fd, const char *name, int flags, struct stat *ret);
/* Notes what is there, once, before anything is changed. */
void session_look(struct init *init);
/* Makes way for an upload: what has its name goes; 1: it may be there still, to be written in place. 0 or -errno. */
[[nodiscard]] int session_make_way(struct init *init, char *path);
/* The modification time of the next upload. */
struct timespec session_next_time(struct init *init);
/* Of a file with all users' files: gives it its owner, permissions and time. */
[[nodiscard]] int session_give(const struct init *init, int fd, mode_t mode);
[[nodiscard]] int session_make_link(struct init *init);
void session_remove(struct init *init, const struct wire_file *file);
/* What was noted under this name, or NULL. */
struct uploaded *session_find_known(struct uploads *up, const char *path);

#endif
