/*
 * Shell-like patterns for the names of files in a sandbox. Pure, no allocation; init uses it too.
 *
 *   ?      one character, not '/'
 *   *      any characters but '/', none too
 *   [a-z]  one character of a set, never '/'; [!a-z] and [^a-z] one that is not in it; ']' first in a set is itself
 *   **     any characters, '/' too; where it is a whole component with a '/' behind it: any folders, none too
 *   \c     c itself
 *
 * A '[' without its ']' stands for itself. There are no named classes such as [:alpha:]. A leading dot is a character
 * like any other. The pattern has to match the whole name, as in the shell: "*.txt" means the files at the top only;
 * with "**" and a '/' in front of it, those in any folder. A character is a UTF-8 character; a byte that belongs to
 * none counts as one.
 */
#ifndef KILN_BASE_GLOB_H
#define KILN_BASE_GLOB_H

#include <stdbool.h>

/* A longer pattern (bytes) matches nothing. */
#define GLOB_PATTERN_MAX 1024

/* Time is at most proportional to the length of the pattern times that of the name, whatever they hold. */
bool glob_match(const char *pattern, const char *name);

/*
 * As glob_match(); and a pattern without any of the characters above is the name of a folder too, and then matches all
 * that is in it.
 */
bool glob_chooses(const char *pattern, const char *name);

#endif
