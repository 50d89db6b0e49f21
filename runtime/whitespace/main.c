/* whitespace FILE: runs a program. Exit status 0, 1 when it fails, 2 when it is no program or cannot be read. */
#include "whitespace/whitespace.h"

#include "source.h"

static int run_file(const char *path)
{
	struct ws_program program;
	char error[WS_ERROR_MAX];
	size_t len;
	char *source = source_read(path, &len);
	int r;

	if (!source) {
		fprintf(stderr, "whitespace: %s: %s\n", path, strerror(errno));
		return 2;
	}
	r = ws_parse(source, len, &program, error);
	free(source);
	if (r < 0) {
		fprintf(stderr, "whitespace: %s: %s\n", path, error);
		return 2;
	}
	r = ws_run(&program, stdin, stdout, 0, error);
	ws_program_finish(&program);
	if (r == 0 && fflush(stdout) == 0)
		return 0;
	fflush(stdout);
	fprintf(stderr, "whitespace: %s: %s\n", path, r < 0 ? error : "cannot print");
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("whitespace 0.3 (kiln %s)\n", KILN_VERSION);
		return 0;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: whitespace FILE\n");
		return 2;
	}
	return run_file(argv[1]);
}
