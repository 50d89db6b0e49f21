#include "image_fixture.h"

#include "base/cleanup.h"
#include "image/tree.h"
#include "image/unpack.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
	static struct folder folder;

	folder_make(&folder);
	*state = &folder;
	return 0;
}

static int teardown(void **state)
{
	folder_remove(*state);
	return 0;
}

static bool is_there(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void files_folders_and_links_are_put_where_they_belong(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = { { "./usr/bin/tool", S_IFREG, "#!", 0755 },
					  { "etc", S_IFDIR },
					  { "/etc/text", S_IFREG, "words", 0600 },
					  { "bin", S_IFLNK, "usr/bin" },
					  { "etc/same", 0, "etc/text" },
					  { 0 } };
	struct stat st;

	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_string_equal(file_text(root->fd, "usr/bin/tool"), "#!");
	assert_string_equal(file_text(root->fd, "etc/text"), "words");
	assert_string_equal(file_text(root->fd, "etc/same"), "words");
	assert_int_equal(fstatat(root->fd, "etc/text", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(fstatat(root->fd, "bin/tool", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
}

static void setuid_setgid_and_sticky_bits_are_dropped(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = { { "su", S_IFREG, "x", 06755 },
					  { "shared", S_IFDIR, NULL, 01777 },
					  { 0 } };
	struct stat st;

	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_int_equal(fstatat(root->fd, "su", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_equal(fstatat(root->fd, "shared", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
}

static void devices_and_pipes_are_left_out(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = {
		{ "disk", S_IFBLK }, { "null", S_IFCHR }, { "pipe", S_IFIFO }, { "file", S_IFREG, "x" }, { 0 }
	};

	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_false(is_there(root->fd, "disk"));
	assert_false(is_there(root->fd, "null"));
	assert_false(is_there(root->fd, "pipe"));
	assert_true(is_there(root->fd, "file"));
}

static void a_name_with_dots_is_refused(void **state)
{
	const struct folder *root = *state;
	static const char *const names[] = { "../x", "a/../../x", "..", "a/..", "/../x" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct member members[] = { { names[i], S_IFREG, "x" }, { 0 } };
		struct err err = ERR_INIT;

		assert_int_equal(apply(root->fd, members, false, &err), -EINVAL);
		assert_non_null(strstr(err.text, "'..'"));
	}
}

static void a_link_leads_nowhere_but_within_the_image(void **state)
{
	const struct folder *root = *state;
	struct folder outside;
	char up[128];
	struct member members[] = { { "abs", S_IFLNK, outside.path },
				    { "abs/a", S_IFREG, "x" },
				    { "up", S_IFLNK, up },
				    { "up/b", S_IFREG, "x" },
				    { 0 } };
	int r;

	folder_make(&outside);
	snprintf(up, sizeof(up), "../../../../../../..%s", outside.path);
	members[0].text = outside.path;
	r = apply(root->fd, members, false, NULL);
	assert_true(r == 0 || r == -EINVAL);
	assert_false(is_there(outside.fd, "a"));
	assert_false(is_there(outside.fd, "b"));
	folder_remove(&outside);
}

static void a_link_inside_is_followed_as_it_would_be_inside(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = {
		{ "usr/lib", S_IFDIR }, { "lib", S_IFLNK, "/usr/lib" }, { "lib/x.so", S_IFREG, "x" }, { 0 }
	};

	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_string_equal(file_text(root->fd, "usr/lib/x.so"), "x");
}

static void a_file_takes_a_links_place_and_does_not_go_through_it(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = {
		{ "real", S_IFREG, "kept" }, { "link", S_IFLNK, "real" }, { "link", S_IFREG, "new" }, { 0 }
	};

	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_string_equal(file_text(root->fd, "real"), "kept");
	assert_string_equal(file_text(root->fd, "link"), "new");
}

static void a_hard_link_to_what_is_no_file_of_the_image_is_refused(void **state)
{
	const struct folder *root = *state;
	static const char *const targets[] = { "/etc/passwd", "etc/shadow", "../../etc/passwd", "dir",
					       "hard" };

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		const struct member members[] = { { "dir", S_IFDIR }, { "hard", 0, targets[i] }, { 0 } };

		assert_int_equal(apply(root->fd, members, false, NULL), -EINVAL);
	}
}

static void more_bytes_or_files_than_allowed_are_refused(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = { { "a", S_IFREG, "12345" }, { "b", S_IFREG, "12345" }, { 0 } };
	const struct layer_bounds bounds[] = { { 9, 10 }, { 100, 1 } };

	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		const struct layer_options options = { .bounds = bounds[i] };
		struct layer_count count = { 0 };
		AUTO_CLOSE int fd = tar_make(members);

		assert_int_equal(layer_apply(fd, root->fd, &options, &count, NULL), -EFBIG);
	}
}

static void a_file_that_says_it_is_huge_is_refused_before_it_is_written(void **state)
{
	const struct folder *root = *state;
	const struct layer_options options = { .bounds = { 1 << 20, 100 } };
	const struct member members[] = { { "huge", S_IFREG }, { 0 } };
	struct layer_count count = { 0 };
	AUTO_CLOSE int fd = tar_make(members);

	tar_exaggerate(fd);
	assert_int_equal(layer_apply(fd, root->fd, &options, &count, NULL), -EFBIG);
	assert_false(is_there(root->fd, "huge"));
}

static void a_folder_in_too_many_folders_is_refused(void **state)
{
	const struct folder *root = *state;
	char deep[2 * LAYER_DEPTH_MAX + 8];
	const struct member members[] = { { deep, S_IFDIR }, { 0 } };

	for (size_t i = 0; i <= LAYER_DEPTH_MAX; i++)
		memcpy(deep + 2 * i, "d/", 3);
	assert_int_equal(apply(root->fd, members, false, NULL), -EINVAL);
}

/* Each link leads into the innermost folder so far, and the next folders are made through it. */
static void folders_that_links_make_deeper_than_allowed_can_be_removed(void **state)
{
	enum { LINKS = 12, STEP = 120 };
	const struct folder *root = *state;
	static char way[2 * STEP], through[LINKS + 1][STEP * 2 + 32], links[LINKS][16],
		targets[LINKS][STEP * 2 + 32];
	struct member members[2 * LINKS + 3] = { 0 };
	char deepest[STEP * 2 + 48];
	size_t count = 0;

	for (size_t i = 0; i < STEP; i++)
		memcpy(way + 2 * i, "d/", 2);
	way[2 * STEP - 1] = '\0';
	snprintf(through[0], sizeof(through[0]), "%s", way);
	members[count++] = (struct member){ through[0], S_IFDIR };
	for (size_t i = 0; i < LINKS; i++) {
		snprintf(links[i], sizeof(links[i]), "l%zu", i);
		memcpy(targets[i], through[i], sizeof(targets[i]));
		members[count++] = (struct member){ links[i], S_IFLNK, targets[i] };
		snprintf(through[i + 1], sizeof(through[i + 1]), "%s/%s", links[i], way);
		members[count++] = (struct member){ through[i + 1], S_IFDIR };
	}
	snprintf(deepest, sizeof(deepest), "%.*s/file", (int)sizeof(through[LINKS]) - 1, through[LINKS]);
	members[count++] = (struct member){ deepest, S_IFREG, "text" };
	assert_int_equal(mkdirat(root->fd, "image", 0755), 0);
	{
		AUTO_CLOSE int fd = tree_open_dir(root->fd, "image");

		assert_int_equal(apply(fd, members, false, NULL), 0);
	}
	assert_int_equal(tree_remove(root->fd, "image"), 0);
	assert_false(is_there(root->fd, "image"));
}

static void what_is_no_tar_or_cut_short_is_refused(void **state)
{
	const struct folder *root = *state;
	const struct layer_options options = { .bounds = { 1 << 20, 100 } };
	const struct member members[] = { { "a", S_IFREG, "12345" }, { 0 } };
	struct layer_count count = { 0 };
	AUTO_CLOSE int cut = tar_make(members), other = tar_make(members);

	assert_int_equal(ftruncate(cut, 700), 0);
	assert_int_equal(layer_apply(cut, root->fd, &options, &count, NULL), -EINVAL);
	assert_int_equal(ftruncate(other, 0), 0);
	write_text(root->fd, "x", "x");
	assert_int_equal(pwrite(other, "no tar at all", 13, 0), 13);
	assert_int_equal(layer_apply(other, root->fd, &options, &count, NULL), -EINVAL);
}

static void whiteouts_remove_what_lower_layers_put_there_and_no_more(void **state)
{
	const struct folder *root = *state;
	const struct member lower[] = {
		{ "gone", S_IFREG, "x" }, { "dir/old", S_IFREG, "x" }, { "tree/a/b", S_IFREG, "x" }, { 0 }
	};
	const struct member upper[] = {
		{ "dir/new", S_IFREG, "y" }, { "dir/.wh..wh..opq", S_IFREG }, { ".wh.gone", S_IFREG },
		{ ".wh.tree", S_IFREG },     { ".wh.never-was", S_IFREG },    { "nowhere/.wh.x", S_IFREG },
		{ ".wh..wh.plnk", S_IFREG }, { "gone2", S_IFREG, "z" },	      { 0 }
	};

	assert_int_equal(apply(root->fd, lower, false, NULL), 0);
	assert_int_equal(apply(root->fd, upper, true, NULL), 0);
	assert_false(is_there(root->fd, "gone"));
	assert_false(is_there(root->fd, "tree"));
	assert_false(is_there(root->fd, "dir/old"));
	assert_string_equal(file_text(root->fd, "dir/new"), "y");
	assert_string_equal(file_text(root->fd, "gone2"), "z");
	assert_false(is_there(root->fd, ".wh.gone"));
}

static void a_whiteout_without_a_name_or_of_the_folder_above_is_refused(void **state)
{
	const struct folder *root = *state;
	static const char *const names[] = { ".wh.", ".wh..", ".wh...", "dir/.wh..." };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct member members[] = { { names[i], S_IFREG }, { 0 } };

		assert_int_equal(apply(root->fd, members, true, NULL), -EINVAL);
	}
}

static void mount_points_become_folders_whatever_they_were(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = {
		{ "proc", S_IFLNK, "/" },  { "sandbox", S_IFLNK, "/etc" },	     { "tmp", S_IFREG, "x" },
		{ "var", S_IFLNK, "tmp" }, { "etc/passwd", S_IFLNK, "/etc/shadow" }, { 0 }
	};
	static const char *const folders[] = { "proc", "sandbox",      "tmp",	   "var/tmp",
					       "dev",  "home/sandbox", "work/here" };
	struct stat st;

	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_int_equal(layer_furnish(root->fd, "/work/here", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		assert_int_equal(fstatat(root->fd, folders[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_true(S_ISDIR(st.st_mode));
	}
	assert_non_null(strstr(file_text(root->fd, "etc/passwd"), ":x:1000:1000:"));
}

static void the_images_own_users_stay(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = {
		{ "etc/passwd", S_IFREG, "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh" },
		{ 0 }
	};

	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_int_equal(layer_furnish(root->fd, NULL, NULL), 0);
	assert_non_null(strstr(file_text(root->fd, "etc/passwd"), "node:x:1000:1000::/home/node:/bin/sh\n"));
	assert_null(strstr(file_text(root->fd, "etc/passwd"), "sandbox"));
}

/* Returns the number of the first thing that it could do, 0: none. */
static int try_everything(int root_fd)
{
	struct err err = ERR_INIT;
	char *const argv[] = { (char *)"true", NULL };

	if (unpack_confine(root_fd, 1879113729, &err) < 0)
		return 100;
	if (open("/etc/hostname", O_RDONLY) >= 0 || open("/proc/self/mem", O_RDWR) >= 0)
		return 1;
	/* As root the folder is the root: then this is within it. */
	(void)!openat(root_fd, "../kiln-image-new", O_WRONLY | O_CREAT, 0600);
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
		return 3;
	if (mknodat(root_fd, "node", S_IFCHR | 0666, 0x0103) == 0 ||
	    mknodat(root_fd, "pipe", S_IFIFO | 0666, 0) == 0)
		return 4;
	if (fork() >= 0 || execv("/bin/true", argv) == 0 || setuid(0) == 0)
		return 5;
	if (kill(getppid(), 0) == 0)
		return 6;
	return openat(root_fd, "file", O_WRONLY | O_CREAT, 0644) >= 0 ? 0 : 7;
}

static void a_confined_process_can_write_below_its_folder_and_nothing_else(void **state)
{
	const struct folder *root = *state;
	pid_t pid;
	int status;

	if (geteuid() == 0)
		assert_int_equal(fchown(root->fd, 1879113729, 1879113729), 0);
	pid = fork();
	if (pid == 0)
		_exit(try_everything(root->fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access("/dev/shm/kiln-image-new", F_OK), -1);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(files_folders_and_links_are_put_where_they_belong),
		with_folder(setuid_setgid_and_sticky_bits_are_dropped),
		with_folder(devices_and_pipes_are_left_out),
		with_folder(a_name_with_dots_is_refused),
		with_folder(a_link_leads_nowhere_but_within_the_image),
		with_folder(a_link_inside_is_followed_as_it_would_be_inside),
		with_folder(a_file_takes_a_links_place_and_does_not_go_through_it),
		with_folder(a_hard_link_to_what_is_no_file_of_the_image_is_refused),
		with_folder(more_bytes_or_files_than_allowed_are_refused),
		with_folder(a_file_that_says_it_is_huge_is_refused_before_it_is_written),
		with_folder(a_folder_in_too_many_folders_is_refused),
		with_folder(folders_that_links_make_deeper_than_allowed_can_be_removed),
		with_folder(what_is_no_tar_or_cut_short_is_refused),
		with_folder(whiteouts_remove_what_lower_layers_put_there_and_no_more),
		with_folder(a_whiteout_without_a_name_or_of_the_folder_above_is_refused),
		with_folder(mount_points_become_folders_whatever_they_were),
		with_folder(the_images_own_users_stay),
		with_folder(a_confined_process_can_write_below_its_folder_and_nothing_else),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
