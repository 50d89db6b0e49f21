/* Small files of /proc as text. */
#ifndef KILN_INIT_PROC_TEXT_H
#define KILN_INIT_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As much of it as there is room for; false: it is not there, or empty. */
bool proc_text(int dir_fd, const char *path, char *ret, size_t size);
/* The number of kilobytes behind `key` in lines "key: number kB", as bytes; false, and 0: there is none. */
bool proc_bytes(const char *text, const char *key, uint64_t *ret);

#endif
