#include "base/base64.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "run/request.h"

#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <zlib.h>

#define AUTO_REQUEST  __attribute__((cleanup(request_finish)))
#define SIZE_MAX_TEST (4 * 1024 * 1024)

enum form {
	FORM_TAR,
	FORM_TAR_GZ,
	FORM_ZIP,
	FORM_COUNT,
};

struct member {
	const char *name;
	const char *data; /* NULL: a folder, or a link */
	uint32_t mode;
	mode_t type; /* 0: as `data` says */
	const char *link;
};

/* Writes the members with libarchive. */
static struct buf pack(enum form form, const struct member *members, size_t count)
{
	struct buf b = BUF_INIT(SIZE_MAX_TEST);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	if (form == FORM_ZIP)
		archive_write_set_format_zip(a);
	else
		archive_write_set_format_pax_restricted(a);
	if (form == FORM_TAR_GZ)
		archive_write_add_filter_gzip(a);
	assert_non_null(buf_reserve(&b, SIZE_MAX_TEST));
	assert_int_equal(archive_write_open_memory(a, b.data, SIZE_MAX_TEST, &b.len), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++) {
		size_t len = members[i].data ? strlen(members[i].data) : 0;
		mode_t type = members[i].type ? members[i].type : members[i].data ? AE_IFREG : AE_IFDIR;

		archive_entry_clear(e);
		archive_entry_copy_pathname(e, members[i].name);
		archive_entry_set_filetype(e, type);
		archive_entry_set_perm(e, (mode_t)members[i].mode);
		if (members[i].link && type == AE_IFLNK)
			archive_entry_copy_symlink(e, members[i].link);
		else if (members[i].link)
			archive_entry_copy_hardlink(e, members[i].link);
		if (!members[i].link)
			archive_entry_set_size(e, (la_int64_t)len);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, members[i].data, len), len);
	}
	archive_entry_free(e);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return b;
}

static struct buf gzip_of(const void *data, size_t len)
{
	struct buf b = BUF_INIT(SIZE_MAX_TEST);
	z_stream z = { .next_in = (Bytef *)data, .avail_in = (uInt)len };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = buf_reserve(&b, SIZE_MAX_TEST);
	z.avail_out = SIZE_MAX_TEST;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.len = z.total_out;
	deflateEnd(&z);
	return b;
}

/* A ustar header by hand, for what no writer would write; `size` is the field's twelve bytes. */
static void append_header(struct buf *b, const char *name, const char *size, char type)
{
	uint8_t header[512] = { 0 };
	unsigned int sum = 8 * ' ';

	memcpy(header, name, strlen(name));
	memcpy(header + 100, "0000644", 7);
	memcpy(header + 124, size, 12);
	memcpy(header + 136, "00000000000", 11);
	header[156] = (uint8_t)type;
	memcpy(header + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	header[155] = ' ';
	assert_int_equal(buf_append(b, header, sizeof(header)), 0);
}

static void append_zeros(struct buf *b, size_t len)
{
	uint8_t *at = buf_reserve(b, len);

	assert_non_null(at);
	memset(at, 0, len);
	b->len += len;
}

static int add(struct run_request *req, const struct buf *b, struct err *err)
{
	return request_add_archive(req, b->data, b->len, &request_bounds_default, err);
}

static void assert_refused(const struct buf *b, const struct request_bounds *bounds, int status,
			   const char *slug)
{
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(request_add_archive(&req, b->data, b->len, bounds, &err), -EINVAL);
	if (strcmp(err.slug, slug) != 0 || err_kind_http_status(err.kind) != status)
		fail_msg("got %d %s: %s", err_kind_http_status(err.kind), err.slug, err.text);
	assert_string_equal(err.field, "archive");
	for (const char *c = err.text; *c; c++)
		assert_true((unsigned char)*c >= 0x20);
}

static const struct run_file *file_of(const struct run_request *req, const char *name)
{
	for (size_t i = 0; i < req->files_count; i++) {
		if (strcmp(req->files[i].name, name) == 0)
			return &req->files[i];
	}
	fail_msg("no '%s'", name);
	return NULL;
}

static void unpacks_every_form(void **state)
{
	static const struct member members[] = {
		{ "./", NULL, 0755, 0, NULL },
		{ "./src/", NULL, 0750, 0, NULL },
		{ "./src/main.c", "int main;", 0644, 0, NULL },
		{ "run.sh", "true\n", 0755, 0, NULL },
		{ "empty", "", 0600, 0, NULL },
	};

	for (enum form form = FORM_TAR; form < FORM_COUNT; form++) {
		AUTO_REQUEST struct run_request req = { 0 };
		AUTO_BUF struct buf b = pack(form, members, ARRAY_LEN(members));
		struct err err = ERR_INIT;

		if (add(&req, &b, &err) < 0)
			fail_msg("form %d: %s", (int)form, err.text);
		assert_int_equal(req.files_count, 4);
		assert_true(file_of(&req, "src")->is_dir);
		assert_int_equal(file_of(&req, "src")->mode, 0750);
		assert_int_equal(file_of(&req, "src/main.c")->len, 9);
		assert_memory_equal(file_of(&req, "src/main.c")->data, "int main;", 9);
		assert_int_equal(file_of(&req, "run.sh")->mode, 0755);
		assert_int_equal(file_of(&req, "empty")->len, 0);
		assert_int_equal(req.files_bytes, 14);
	}
}

static void unpacks_what_the_field_archive_holds(void **state)
{
	static const struct member members[] = { { "a", "from archive", 0644, 0, NULL },
						 { "b", "from archive", 0644, 0, NULL } };
	AUTO_BUF struct buf b = pack(FORM_TAR_GZ, members, 2);
	AUTO_FREE char *text = base64_encode(b.data, b.len, NULL);
	AUTO_FREE char *json = NULL;
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_true(asprintf(&json, "{\"archive\":\"%s\",\"language\":\"c\",\"files\":{\"b\":\"mine\"}}",
			     text) > 0);
	assert_int_equal(request_parse(json, strlen(json), &request_bounds_default, &req, &err), 0);
	assert_true(req.archive_given);
	assert_int_equal(req.files_count, 2);
	assert_string_equal(req.files[0].name, "b");
	assert_memory_equal(file_of(&req, "b")->data, "mine", 4);
	assert_int_equal(file_of(&req, "a")->len, 12);
}

static void a_file_added_later_replaces_an_archives(void **state)
{
	static const struct member members[] = { { "a", "from archive", 0644, 0, NULL } };
	AUTO_BUF struct buf b = pack(FORM_ZIP, members, 1);
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(add(&req, &b, &err), 0);
	assert_int_equal(request_add_file(&req, "a", "mine", 4, 0600, &request_bounds_default, &err), 0);
	assert_int_equal(req.files_count, 1);
	assert_int_equal(req.files_bytes, 4);
	assert_int_equal(req.files[0].mode, 0600);
}

static void keeps_names_beyond_ascii(void **state)
{
	static const struct member members[] = { { "\xc3\xa4/\xe6\x97\xa5.txt", "x", 0644, 0, NULL } };

	for (enum form form = FORM_TAR; form < FORM_COUNT; form++) {
		AUTO_REQUEST struct run_request req = { 0 };
		AUTO_BUF struct buf b = BUF_INIT(0);
		struct err err = ERR_INIT;

		/* The writer needs it to mark names as UTF-8; the reader has to do without. */
		assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
		b = pack(form, members, 1);
		setlocale(LC_CTYPE, "C");
		if (add(&req, &b, &err) < 0)
			fail_msg("form %d: %s", (int)form, err.text);
		assert_string_equal(req.files[0].name, "\xc3\xa4/\xe6\x97\xa5.txt");
	}
}

static void an_archive_of_nothing_holds_nothing(void **state)
{
	AUTO_REQUEST struct run_request req = { 0 };
	AUTO_BUF struct buf tar = pack(FORM_TAR, NULL, 0);
	AUTO_BUF struct buf zip = pack(FORM_ZIP, NULL, 0);
	struct err err = ERR_INIT;

	assert_int_equal(request_add_archive(&req, tar.data, tar.len, &request_bounds_default, &err), 0);
	assert_int_equal(request_add_archive(&req, zip.data, zip.len, &request_bounds_default, &err), 0);
	assert_int_equal(req.files_count, 0);
}

static void refuses_bad_names(void **state)
{
	static const char *const names[] = { "/etc/passwd", "../x",  "a/../../x", "a/..",
					     "a//b",	    "a/./b", "\xff\xfe" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_BUF struct buf tar = BUF_INIT(SIZE_MAX_TEST);

		append_header(&tar, names[i], "00000000000", '0');
		append_zeros(&tar, 1024);
		assert_refused(&tar, &request_bounds_default, 400, "bad_name");
	}
}

static void refuses_bad_names_in_a_zip(void **state)
{
	static const char *const names[] = { "/etc/passwd", "../x", "a/../../x", "a//b" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct member member = { names[i], "x", 0644, 0, NULL };
		AUTO_BUF struct buf zip = pack(FORM_ZIP, &member, 1);

		assert_refused(&zip, &request_bounds_default, 400, "bad_name");
	}
}

static void refuses_all_but_files_and_folders(void **state)
{
	static const struct member members[] = {
		{ "link", NULL, 0777, AE_IFLNK, "/etc/passwd" }, { "hard", NULL, 0644, AE_IFREG, "ok" },
		{ "fifo", NULL, 0644, AE_IFIFO, NULL },		 { "chr", NULL, 0644, AE_IFCHR, NULL },
		{ "blk", NULL, 0644, AE_IFBLK, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct member pair[] = { { "ok", "fine", 0644, 0, NULL }, members[i] };
		AUTO_BUF struct buf tar = pack(FORM_TAR, pair, 2);

		assert_refused(&tar, &request_bounds_default, 400, "bad_archive");
	}
}

static void refuses_a_symbolic_link_in_a_zip(void **state)
{
	static const struct member link = { "link", NULL, 0777, AE_IFLNK, "/etc" };
	AUTO_BUF struct buf zip = pack(FORM_ZIP, &link, 1);

	assert_refused(&zip, &request_bounds_default, 400, "bad_archive");
}

static void refuses_a_name_that_is_file_and_folder(void **state)
{
	static const struct member members[] = { { "a", "x", 0644, 0, NULL }, { "a/b", "x", 0644, 0, NULL } };
	static const struct member twice[] = { { "a", "x", 0644, 0, NULL }, { "./a", "y", 0644, 0, NULL } };
	AUTO_BUF struct buf conflict = pack(FORM_TAR, members, 2);
	AUTO_BUF struct buf doubled = pack(FORM_TAR, twice, 2);

	assert_refused(&conflict, &request_bounds_default, 400, "conflict");
	assert_refused(&doubled, &request_bounds_default, 400, "conflict");
}

/* Every cut: a tar may lose zeros behind the last member, since they say nothing; nothing else may go missing. */
static void refuses_an_archive_cut_anywhere(void **state)
{
	static const struct member members[] = { { "a", "first", 0644, 0, NULL },
						 { "b", "second", 0644, 0, NULL } };
	const size_t tar_content = 4 * 512;

	for (enum form form = FORM_TAR; form < FORM_COUNT; form++) {
		AUTO_BUF struct buf b = pack(form, members, 2);
		size_t whole = b.len;

		for (b.len = 0; b.len < whole; b.len++) {
			AUTO_REQUEST struct run_request req = { 0 };
			struct err err = ERR_INIT;
			AUTO_FREE uint8_t *exact = malloc(b.len + 1);
			int r;

			memcpy(exact, b.data, b.len);
			r = request_add_archive(&req, exact, b.len, &request_bounds_default, &err);
			if (form == FORM_TAR && b.len > tar_content && b.len % 512 == 0)
				assert_int_equal(req.files_count, 2);
			else if (r != -EINVAL)
				fail_msg("form %d cut to %zu of %zu: %d", (int)form, b.len, whole, r);
		}
	}
}

static void refuses_what_is_no_archive(void **state)
{
	static const char *const texts[] = { "",	 "hello",	   "PK", "PK\3\4 not a zip",
					     "\x1f\x8b", "\x1f\x8b\x08 no" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf b = { .data = (uint8_t *)texts[i], .len = strlen(texts[i]) };

		assert_refused(&b, &request_bounds_default, 400, "bad_archive");
	}
}

static void refuses_other_formats_and_filters(void **state)
{
	static const struct member member = { "a", "x", 0644, 0, NULL };
	AUTO_BUF struct buf tar_gz = pack(FORM_TAR_GZ, &member, 1);
	AUTO_BUF struct buf zip = pack(FORM_ZIP, &member, 1);
	AUTO_BUF struct buf gz_twice = gzip_of(tar_gz.data, tar_gz.len);
	AUTO_BUF struct buf zip_gz = gzip_of(zip.data, zip.len);
	struct buf cpio = { .data = (uint8_t *)"070707000000000000000000000000000000000000000000",
			    .len = 48 };

	assert_refused(&gz_twice, &request_bounds_default, 400, "bad_archive");
	assert_refused(&zip_gz, &request_bounds_default, 400, "bad_archive");
	assert_refused(&cpio, &request_bounds_default, 400, "bad_archive");
}

static void refuses_garbage_behind_the_end(void **state)
{
	static const struct member member = { "a", "x", 0644, 0, NULL };
	AUTO_BUF struct buf tar = pack(FORM_TAR, &member, 1);
	AUTO_BUF struct buf tar_gz = pack(FORM_TAR_GZ, &member, 1);

	tar.max = tar_gz.max = SIZE_MAX_TEST + 10;
	assert_int_equal(buf_append_str(&tar, "x"), 0);
	assert_int_equal(buf_append_str(&tar_gz, "x"), 0);
	assert_refused(&tar, &request_bounds_default, 400, "bad_archive");
	assert_refused(&tar_gz, &request_bounds_default, 400, "bad_archive");
}

static void refuses_a_wrong_checksum(void **state)
{
	static const struct member member = { "a", "some content", 0644, 0, NULL };
	AUTO_BUF struct buf tar_gz = pack(FORM_TAR_GZ, &member, 1);
	AUTO_BUF struct buf zip = pack(FORM_ZIP, &member, 1);
	uint8_t *directory = memmem(zip.data, zip.len, "PK\1\2", 4);

	tar_gz.data[tar_gz.len - 8] ^= 1;
	assert_refused(&tar_gz, &request_bounds_default, 400, "bad_archive");
	assert_non_null(directory);
	directory[16] ^= 1;
	assert_refused(&zip, &request_bounds_default, 400, "bad_archive");
}

static void refuses_an_encrypted_zip(void **state)
{
	static const struct member member = { "a", "secret", 0644, 0, NULL };
	AUTO_BUF struct buf zip = pack(FORM_ZIP, &member, 1);
	uint8_t *directory = memmem(zip.data, zip.len, "PK\1\2", 4);

	assert_non_null(directory);
	directory[8] |= 1;
	zip.data[6] |= 1;
	assert_refused(&zip, &request_bounds_default, 400, "bad_archive");
}

static void stops_a_bomb_at_the_bound(void **state)
{
	static const struct request_bounds bounds = { .files = 10, .files_bytes = 100000 };
	AUTO_BUF struct buf tar = BUF_INIT(SIZE_MAX_TEST);
	AUTO_BUF struct buf gz = BUF_INIT(0);

	append_header(&tar, "zeros", "00010000000", '0');
	append_zeros(&tar, 02000000 + 02000000);
	gz = gzip_of(tar.data, tar.len);
	assert_true(gz.len < 10000);
	assert_refused(&gz, &bounds, 413, "too_large");
}

static void stops_a_bomb_behind_the_tars_end(void **state)
{
	static const struct request_bounds bounds = { .files = 1, .files_bytes = 1000 };
	AUTO_BUF struct buf zeros = BUF_INIT(SIZE_MAX_TEST);
	AUTO_BUF struct buf gz = BUF_INIT(0);

	append_zeros(&zeros, 3 * 1024 * 1024);
	gz = gzip_of(zeros.data, zeros.len);
	assert_refused(&gz, &bounds, 413, "too_large");
}

static void stops_a_zip_bomb_that_lies_about_its_size(void **state)
{
	static const struct request_bounds bounds = { .files = 10, .files_bytes = 1000 };
	AUTO_FREE char *zeros = malloc(100001);
	struct member member = { "a", zeros, 0644, 0, NULL };
	AUTO_BUF struct buf zip = BUF_INIT(0);
	uint8_t *directory;

	memset(zeros, 'z', 100000);
	zeros[100000] = '\0';
	zip = pack(FORM_ZIP, &member, 1);
	assert_refused(&zip, &bounds, 413, "too_large");
	directory = memmem(zip.data, zip.len, "PK\1\2", 4);
	assert_non_null(directory);
	memcpy(directory + 24, "\12\0\0\0", 4);
	assert_refused(&zip, &bounds, 413, "too_large");
}

static void refuses_a_huge_declared_size_at_once(void **state)
{
	static const char terabyte[12] = { '\x80', 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0 };
	static const char beyond[12] = { '\x80', 0,	 0,	 0,	 0x7f,	 '\xff',
					 '\xff', '\xff', '\xff', '\xff', '\xff', '\xff' };
	AUTO_BUF struct buf octal = BUF_INIT(SIZE_MAX_TEST);
	AUTO_BUF struct buf binary = BUF_INIT(SIZE_MAX_TEST);
	AUTO_BUF struct buf overflow = BUF_INIT(SIZE_MAX_TEST);

	append_header(&octal, "a", "77777777777", '0');
	append_zeros(&octal, 1024);
	append_header(&binary, "a", terabyte, '0');
	append_zeros(&binary, 1024);
	append_header(&overflow, "a", beyond, '0');
	append_zeros(&overflow, 1024);
	assert_refused(&octal, &request_bounds_default, 413, "too_large");
	assert_refused(&binary, &request_bounds_default, 413, "too_large");
	assert_refused(&overflow, &request_bounds_default, 400, "bad_archive");
}

static void refuses_more_members_than_allowed(void **state)
{
	static const struct request_bounds bounds = { .files = 2, .files_bytes = 100 };
	static const struct member members[] = { { "a", "x", 0644, 0, NULL },
						 { "b/", NULL, 0755, 0, NULL },
						 { "c", "x", 0644, 0, NULL } };

	for (enum form form = FORM_TAR; form < FORM_COUNT; form++) {
		AUTO_BUF struct buf b = pack(form, members, 3);

		assert_refused(&b, &bounds, 413, "too_many");
	}
}

static void append_pax(struct buf *b, const char *records)
{
	char size[13];

	snprintf(size, sizeof(size), "%011zo", strlen(records));
	append_header(b, "pax", size, 'x');
	assert_int_equal(buf_append_str(b, records), 0);
	append_zeros(b, 512 - strlen(records) % 512);
}

/* A member that is almost only hole, as GNU tar --sparse writes it. */
static void bounds_a_sparse_member_by_its_real_size(void **state)
{
	static const struct request_bounds small = { .files = 10, .files_bytes = 50000 };
	AUTO_BUF struct buf b = BUF_INIT(SIZE_MAX_TEST);
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	append_pax(&b, "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n23 GNU.sparse.name=hol\n"
		       "30 GNU.sparse.realsize=100000\n");
	append_header(&b, "GNUSparseFile.0/hol", "00000001003", '0');
	assert_int_equal(buf_append(&b, "1\n99997\n3\n", 10), 0);
	append_zeros(&b, 502);
	assert_int_equal(buf_append(&b, "end", 3), 0);
	append_zeros(&b, 509 + 1024);

	assert_refused(&b, &small, 413, "too_large");
	if (add(&req, &b, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(req.files[0].name, "hol");
	assert_int_equal(req.files[0].len, 100000);
	assert_int_equal(req.files[0].data[99996], 0);
	assert_memory_equal(req.files[0].data + 99997, "end", 3);
}

static void takes_several_gzip_streams_in_a_row(void **state)
{
	static const struct member member = { "a", "x", 0644, 0, NULL };
	AUTO_BUF struct buf tar = pack(FORM_TAR, &member, 1);
	AUTO_BUF struct buf first = gzip_of(tar.data, 700);
	AUTO_BUF struct buf second = gzip_of(tar.data + 700, tar.len - 700);
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	first.max = SIZE_MAX_TEST * 2;
	assert_int_equal(buf_append(&first, second.data, second.len), 0);
	assert_int_equal(add(&req, &first, &err), 0);
	assert_int_equal(req.files_count, 1);
}

static void an_empty_tar_adds_nothing(void **state)
{
	AUTO_BUF struct buf tar = BUF_INIT(SIZE_MAX_TEST);
	AUTO_REQUEST struct run_request req = { 0 };
	struct err err = ERR_INIT;

	append_zeros(&tar, 10240);
	assert_int_equal(add(&req, &tar, &err), 0);
	assert_int_equal(req.files_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacks_every_form),
		cmocka_unit_test(unpacks_what_the_field_archive_holds),
		cmocka_unit_test(a_file_added_later_replaces_an_archives),
		cmocka_unit_test(keeps_names_beyond_ascii),
		cmocka_unit_test(an_archive_of_nothing_holds_nothing),
		cmocka_unit_test(refuses_bad_names),
		cmocka_unit_test(refuses_bad_names_in_a_zip),
		cmocka_unit_test(refuses_all_but_files_and_folders),
		cmocka_unit_test(refuses_a_symbolic_link_in_a_zip),
		cmocka_unit_test(refuses_a_name_that_is_file_and_folder),
		cmocka_unit_test(refuses_an_archive_cut_anywhere),
		cmocka_unit_test(refuses_what_is_no_archive),
		cmocka_unit_test(refuses_other_formats_and_filters),
		cmocka_unit_test(refuses_garbage_behind_the_end),
		cmocka_unit_test(refuses_a_wrong_checksum),
		cmocka_unit_test(refuses_an_encrypted_zip),
		cmocka_unit_test(stops_a_bomb_at_the_bound),
		cmocka_unit_test(stops_a_bomb_behind_the_tars_end),
		cmocka_unit_test(stops_a_zip_bomb_that_lies_about_its_size),
		cmocka_unit_test(refuses_a_huge_declared_size_at_once),
		cmocka_unit_test(refuses_more_members_than_allowed),
		cmocka_unit_test(bounds_a_sparse_member_by_its_real_size),
		cmocka_unit_test(takes_several_gzip_streams_in_a_row),
		cmocka_unit_test(an_empty_tar_adds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
