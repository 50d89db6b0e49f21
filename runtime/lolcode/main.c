/* lolcode FILE: runs a program. Exit status 0, 1 when it fails, 2 when it is no program or cannot be read. */
#include "lolcode/lolcode.h"

#include "source.h"

static int run_file(const char *path)
{
	struct lol_program *program;
	char error[LOL_ERROR_MAX];
	size_t len;
	char *source = source_read(path, &len);
	int r;

	if (!source) {
		fprintf(stderr, "lolcode: %s: %s\n", path, strerror(errno));
		return 2;
	}
	r = lol_parse(source, len, &program, error);
	free(source);
	if (r < 0) {
		fprintf(stderr, "lolcode: %s: %s\n", path, error);
		return 2;
	}
	r = lol_run(program, stdin, stdout, 0, error);
	lol_program_destroy(program);
	if (r == 0 && fflush(stdout) == 0)
		return 0;
	fflush(stdout);
	fprintf(stderr, "lolcode: %s: %s\n", path, r < 0 ? error : "cannot print");
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("lolcode 1.2 (kiln %s)\n", KILN_VERSION);
		return 0;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: lolcode FILE\n");
		return 2;
	}
	return run_file(argv[1]);
}
