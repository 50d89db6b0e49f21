#include "attack.h"

int main(void)
{
	START;
	static const char *names[] = { "a\nb",	   "a\"b",	 "a\\b",      "..\\..\\evil", "{\"x\":1}", "\x1b[2J",	 "\xff\xfe\xfd", "\xc0\xaf\xc0\xae", "\xed\xa0\x80", "\xf4\x90\x80\x80",
				       "...",	   "-rf",	 "--help",    "C:\\x",	      "a\tb",	   " ",		 "a\r",		 "$(id)",	     "`id`",	     "'; id; '",
				       "%s%n%n%n", "\u202etxt.exe", "con",	      "~",	   "main.c\x01", "nul\x7f",	 "\xef\xbb\xbf",     "*",	     "?" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int fd = open(names[i], O_WRONLY | O_CREAT, 0644);
		if (fd < 0)
			INFO("name %zu: %s", i, strerror(errno));
		(void)!write(fd, names[i], strlen(names[i]));
		close(fd);
		char in[300];
		mkdir("folder", 0755);
		snprintf(in, sizeof in, "folder/%s-", names[i]);
		mkdir(in, 0755);
		strcat(in, "/x");
		close(open(in, O_WRONLY | O_CREAT, 0644));
	}
	char longest[256] = { 0 };
	memset(longest, 0xe9, 255);
	close(open(longest, O_WRONLY | O_CREAT, 0644));
	END;
	return 0;
}
