#include "greet.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	char text[128];

	for (int i = 1; i < argc; i++) {
		if (greet(text, sizeof(text), argv[i], "kiln") < 0) {
			fprintf(stderr, "no greeting in '%s'\n", argv[i]);
			return 1;
		}
		puts(text);
	}
	return 0;
}
