/*
 * What this was built of.
 */
#ifndef KILN_API_COMMIT_H
#define KILN_API_COMMIT_H

/* The commit, 40 hexadecimal digits; zeros where git did not know. */
extern const char kiln_commit[];

#endif
