/* The parts of the Docker engine that ask nobody: names of images, streams and heads of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/docker/docker_priv.h"
#include "engine/docker/hijack.h"
#include "engine/docker/images.h"

#include <errno.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define IMAGE	     "1111111111111111111111111111111111111111111111111111111111111111"
#define CONTAINER    "2222222222222222222222222222222222222222222222222222222222222222"

static void images_of_dockers_own_registry_have_dockers_names(void **state)
{
	static const char *const rows[][2] = {
		{ "docker.io/library/python:3", "python:3" },
		{ "docker.io/site/tool:1", "site/tool:1" },
		{ "docker.io/library/a/b:1", "library/a/b:1" },
		{ "localhost/tool:1", "localhost/tool:1" },
		{ "docker.io.example/a:1", "docker.io.example/a:1" },
		{ "python", "python" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(docker_familiar_name(rows[i][0]), rows[i][1]);
}

static void the_frames_of_a_stream_are_taken_apart(void **state)
{
	static const uint8_t data[] = "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\1!";
	const uint8_t *at = data, *piece;
	size_t len = sizeof(data) - 1, piece_len;
	struct demux demux = { 0 };
	enum demux_stream stream;

	assert_int_equal(demux_next(&demux, &at, &len, &stream, &piece, &piece_len), 1);
	assert_int_equal(stream, DEMUX_STDOUT);
	assert_memory_equal(piece, "out", piece_len);
	assert_int_equal(demux_next(&demux, &at, &len, &stream, &piece, &piece_len), 1);
	assert_int_equal(stream, DEMUX_STDERR);
	assert_int_equal(demux_next(&demux, &at, &len, &stream, &piece, &piece_len), 0);
}

static void heads_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "HTTP/2 101 x\r\n\r\n", "HTTP/1.1 10\r\n\r\n", "\r\n\r\n",
					   "SSH-2.0\r\n\r\n" };
	static uint8_t endless[HIJACK_HEAD_MAX];
	int status;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hijack_head_parse((const uint8_t *)bad[i], strlen(bad[i]), &status),
				 -EPROTO);
	memset(endless, 'a', sizeof(endless));
	assert_int_equal(hijack_head_parse(endless, sizeof(endless), &status), -EPROTO);
	assert_int_equal(hijack_head_parse(endless, 100, &status), 0);
}

static void images_are_found_by_each_of_their_names(void **state)
{
	static const struct {
		const char *asked, *found;
	} rows[] = {
		{ "tool", "tool@sha256:" IMAGE },
		{ "tool:latest", "tool@sha256:" IMAGE },
		{ "docker.io/library/tool", "tool@sha256:" IMAGE },
		{ "host", "tool@sha256:" IMAGE },
		{ "reg:5000/x/tool:2", "reg:5000/x/tool:2@sha256:" IMAGE },
		{ "sha256:" IMAGE, "tool@sha256:" IMAGE },
		{ "tool@sha256:" IMAGE, "tool@sha256:" IMAGE },
		{ "reg:5000/x/tool@sha256:" CONTAINER, "tool@sha256:" IMAGE },
		{ "tool:3", NULL },
		{ "tool@sha256:" CONTAINER, NULL },
		{ "", NULL },
		{ "@", NULL },
	};
	struct docker_images images = { .host = "tool" };
	char name[256];

	images.all = json_pack("[{s:s, s:[s,s,s]}]", "id", "sha256:" IMAGE, "names", "tool:latest",
			       "reg:5000/x/tool:2", "reg:5000/x/tool@sha256:" CONTAINER);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const json_t *found = docker_images_find(&images, rows[i].asked, name, sizeof(name));

		assert_int_equal(found != NULL, rows[i].found != NULL);
		if (found)
			assert_string_equal(name, rows[i].found);
	}
	docker_images_finish(&images);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_of_dockers_own_registry_have_dockers_names),
		cmocka_unit_test(the_frames_of_a_stream_are_taken_apart),
		cmocka_unit_test(heads_that_are_none_are_refused),
		cmocka_unit_test(images_are_found_by_each_of_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
