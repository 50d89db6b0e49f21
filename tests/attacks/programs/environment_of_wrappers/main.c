#include "attack.h"

int main(int argc, char **argv, char **envp)
{
	START;
	static const char *known[] = { "PATH", "HOME", "USER", "LOGNAME", "LANG", "PWD", 0 };
	for (char **e = envp; *e; e++) {
		int k = 0;
		size_t n = strcspn(*e, "=");
		while (known[k] && (strlen(known[k]) != n || strncmp(known[k], *e, n)))
			k++;
		if (!known[k])
			UNSAFE("environment: %s", *e);
	}
	/* whatever the kernel or a wrapper left on the stack pages */
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f)) {
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx", &from, &to) != 2 || strstr(line, "[v"))
			continue;
		int fd = open("/proc/self/mem", O_RDONLY);
		static char b[1 << 20];
		ssize_t n = pread(fd, b, to - from < sizeof b ? to - from : sizeof b, from);
		close(fd);
		/* split, so that it does not find itself */
		char word[16] = "HOST";
		strcat(word, "CANARY-");
		for (ssize_t i = 0; i + 12 < n; i++)
			if (b[i] == 'H' && !memcmp(b + i, word, 11) && b + i != word && from + i != (uintptr_t)word && strstr(line, "main") == 0 && b[i + 11] > ' ')
				UNSAFE("the secret at %lx: %.30s", from + i, b + i);
	}
	for (int i = 1; i < 200; i++) {
		char p[64], b[4096];
		if (i == getpid())
			continue;
		snprintf(p, sizeof p, "/proc/%d/environ", i);
		int fd = open(p, O_RDONLY);
		ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof b);
		if (n > 0)
			UNSAFE("%s: %.*s", p, (int)n, b);
		close(fd);
	}
	END;
	return 0;
}
