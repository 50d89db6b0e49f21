#include "base/strv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

int strv_append(char ***v, const char *text, size_t len)
{
	size_t n = strv_len(*v);
	char **grown;
	char *copy = strndup(text, len);

	if (!copy)
		return -ENOMEM;
	grown = reallocarray(*v, n + 2, sizeof(*grown));
	if (!grown) {
		free(copy);
		return -ENOMEM;
	}
	grown[n] = copy;
	grown[n + 1] = NULL;
	*v = grown;
	return 0;
}

char **strv_copy(char *const *v)
{
	char **copy = NULL;

	for (size_t i = 0; v && v[i]; i++) {
		if (strv_append(&copy, v[i], strlen(v[i])) < 0) {
			strv_free(copy);
			return NULL;
		}
	}
	return copy;
}

bool strv_has(const char *const *v, const char *text)
{
	while (v && *v && strcmp(*v, text) != 0)
		v++;
	return v && *v;
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}
