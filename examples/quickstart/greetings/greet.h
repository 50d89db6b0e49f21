#ifndef GREET_H
#define GREET_H

#include <stddef.h>

/* Writes the greeting for `name` in `language` ("en", "de", "fr") to `text`; -1 for an unknown language. */
int greet(char *text, size_t size, const char *language, const char *name);

#endif
