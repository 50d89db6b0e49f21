/*
 * Who of several `kiln serve` with one state folder has which part of it. Two with one would write into each other's
 * sessions, and sweep each other's containers. So each has a number, 1 where it is alone, and sessions of its own.
 *
 * The lock is a process's own (fcntl(2), F_SETLK): it goes through exec, children do not have it, and it is gone when
 * the process is, however that ended. So the main process of a server has it from its first moment to its last,
 * whatever becomes of its fronts. Others that use the folder's images (`kiln run`, `kiln image`) do not ask for it.
 */
#ifndef KILN_CMD_STATE_LOCK_H
#define KILN_CMD_STATE_LOCK_H

#include "base/err.h"

#define STATE_SERVERS_MAX 16
#define STATE_NUMBER	  "KILN_SERVER_NUMBER" /* the variable in which a front gets it, if it is not 1 */

/*
 * Takes the number for this process, 1 to STATE_SERVERS_MAX. *ret_fd must stay open, and neither it nor any other
 * descriptor of the file be closed, as long as the lock is to hold; it is above those that a keeper expects.
 *
 * Returns 0, -EBUSY (a refusal, "state_dir_in_use") when another process has it, or what the file could not be opened
 * for: -EACCES and -EROFS for a folder that is not ours to write. Does not block.
 */
[[nodiscard]] int state_lock(const char *state_dir, unsigned number, int *ret_fd, struct err *err);

/* Where the sessions are of the server that STATE_NUMBER is about: a path to be freed; NULL: no memory. */
char *state_sessions_dir(const char *state_dir);

#endif
