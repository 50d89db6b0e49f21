#include "greet.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *language, *format;
} greetings[] = {
	{ "en", "Good morning, %s!" },
	{ "de", "Guten Morgen, %s!" },
	{ "fr", "Bonjour, %s !" },
};

int greet(char *text, size_t size, const char *language, const char *name)
{
	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		if (strcmp(greetings[i].language, language) == 0)
			return snprintf(text, size, greetings[i].format, name);
	}
	return -1;
}
