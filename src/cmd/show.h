/*
 * Text from strangers (labels of an image, names in an archive) for people's terminals: what would move the cursor,
 * change the title or turn the writing round is shown instead of done.
 */
#ifndef KILN_CMD_SHOW_H
#define KILN_CMD_SHOW_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes `text` to `to` with control characters, invisible marks of direction and bytes that are no UTF-8 as \x1b,
 * \u202e and the like; to NULL: nowhere. Returns how many characters wide it is. NULL text is empty.
 */
size_t show_text(FILE *to, const char *text);

#endif
