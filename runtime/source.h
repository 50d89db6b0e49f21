/* What the interpreters' programs share: the file that they are given. */
#ifndef KILN_RUNTIMES_SOURCE_H
#define KILN_RUNTIMES_SOURCE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_BYTES_MAX (64UL * 1024 * 1024)

/* All of a file, with a NUL behind it (free()); NULL with errno when it cannot be read or is too large. */
static inline char *source_read(const char *path, size_t *ret_len)
{
	FILE *in = fopen(path, "re");
	char *text = NULL, *grown;
	size_t len = 0, room = 0, got = 1;

	if (!in)
		return NULL;
	while (got > 0) {
		if (room - len < 2) {
			room = room ? room * 2 : 4096;
			grown = room <= SOURCE_BYTES_MAX ? realloc(text, room) : NULL;
			if (!grown) {
				errno = room <= SOURCE_BYTES_MAX ? ENOMEM : EFBIG;
				got = 0;
				break;
			}
			text = grown;
		}
		got = fread(text + len, 1, room - len - 1, in);
		len += got;
	}
	if (ferror(in) || room > SOURCE_BYTES_MAX || !text || room - len < 1) {
		free(text);
		text = NULL;
	} else {
		text[len] = '\0';
	}
	fclose(in);
	*ret_len = len;
	return text;
}

#endif
