#include "attack.h"

static void score(const char *path)
{
	char b[32] = "";
	int fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, b, sizeof b - 1) > 0 && atoi(b) != 1000)
		UNSAFE("%s: %s", path, b);
	close(fd);
}
static void lower(const char *path, const char *to)
{
	int fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, to, strlen(to)) > 0)
		INFO("%s takes %s", path, to);
	close(fd);
}
static void all(void)
{
	static const char *paths[] = { "/proc/self/oom_score_adj", "/proc/thread-self/oom_score_adj", "/proc/1/oom_score_adj" };
	for (int i = 0; i < 3; i++) {
		score(paths[i]);
		lower(paths[i], "0");
		lower(paths[i], "-1000");
		score(paths[i]);
	}
	lower("/proc/self/oom_adj", "-17");
	score("/proc/self/oom_score_adj");
}
int main(void)
{
	START;
	all();
	if (in_child(all, 5))
		INFO("the child ended otherwise");
	END;
	return 0;
}
