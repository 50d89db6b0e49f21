/*
 * Lines of the history that the database does not have yet. Private to the store.
 *
 * How it works: a file to which each line is appended with one write. Once the database has all of them the file is
 * emptied. A front that is killed leaves it, and the next one reads it. Neither waits for a disk: a machine that loses
 * its power loses what the system had not written by itself, and what is damaged then is told by its hash.
 */
#ifndef KILN_SESSION_JOURNAL_H
#define KILN_SESSION_JOURNAL_H

#include "session/store.h"

/* Bytes of all lines together, and of one. */
#define JOURNAL_BYTES_MAX ((size_t)1024 * 1024)
#define JOURNAL_LINE_MAX  ((size_t)16 * 1024)

struct journal;

/* Makes it, or opens what another has left, in the folder `dir`. */
[[nodiscard]] int journal_open(const char *dir, struct journal **ret, struct err *err);
void journal_close(struct journal *journal);

/* Nothing is in it. */
bool journal_is_empty(const struct journal *journal);

/*
 * Each line that was left, oldest first, up to the first that is damaged. Stops at a negative value of `each` and
 * returns it; otherwise 0 or a negative errno. All of it stays until journal_clear().
 */
[[nodiscard]] int journal_each(struct journal *journal,
			       int (*each)(void *user, const char *key, const struct store_line *line),
			       void *user, struct err *err);

/* False: it is full, the line too long, or it cannot be written; then nothing of it is there. */
[[nodiscard]] bool journal_add(struct journal *journal, const char *key, const struct store_line *line);

/* So many of those that were added are not needed any more. Those that were left count as one that was not added. */
void journal_done(struct journal *journal, size_t count);

/* Nothing in it is needed. */
void journal_clear(struct journal *journal);

#endif
