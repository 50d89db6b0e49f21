#include "base/path.h"

#include <string.h>

bool path_goes_up(const char *path)
{
	for (const char *at = path; *at; at += *at == '/') {
		size_t len = strcspn(at, "/");

		if (len == 2 && memcmp(at, "..", 2) == 0)
			return true;
		at += len;
	}
	return false;
}
