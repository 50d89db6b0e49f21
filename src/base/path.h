/* Paths as text. Pure. */
#ifndef KILN_BASE_PATH_H
#define KILN_BASE_PATH_H

#include <stdbool.h>

/* Whether one of its components is "..". */
bool path_goes_up(const char *path);

#endif
