#include "image_fixture.h"

#include "base/cleanup.h"
#include "base/strv.h"
#include "image/recipe.h"
#include "image/store.h"
#include "image/tree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
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

static struct image_store *open_store(const struct folder *folder)
{
	struct image_store *store;

	assert_int_equal(image_store_open(folder->path, IMAGE_STORE_WRITE, &store, NULL), 0);
	return store;
}

/* Stores an image with one file; its digest goes to `digest` unless that is NULL. */
static int store_image(struct image_store *store, const char *name, const char *text, char *digest)
{
	struct image image = { .name = (char *)name };
	struct image_work *work;
	int r = image_work_begin(store, &work, NULL);

	if (r < 0)
		return r;
	write_text(image_work_root_fd(work), "file", text);
	r = image_work_commit(work, &image, NULL, NULL, NULL);
	image_work_end(work);
	if (digest)
		memcpy(digest, image.digest, sizeof(image.digest));
	return r;
}

static size_t count_entries(const struct folder *folder, const char *name)
{
	char path[128];
	char **names = NULL;
	AUTO_CLOSE int fd = -1;
	size_t count;

	snprintf(path, sizeof(path), "images/%s", name);
	fd = openat(folder->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_names(fd, &names), 0);
	count = strv_len(names);
	strv_free(names);
	return count;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void names_are_brought_to_one_form(void **state)
{
	static const char *const pairs[][2] = { { "python", "python" },
						{ "docker://alpine:3.20", "alpine:3.20" },
						{ "alpine:latest", "alpine" },
						{ "docker.io/library/a_b-c:1.2",
						  "docker.io/library/a_b-c:1.2" },
						{ "localhost:5000/x", "localhost:5000/x" } };

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		AUTO_FREE char *name = NULL;

		assert_int_equal(image_name_canonical(pairs[i][0], &name, NULL), 0);
		assert_string_equal(name, pairs[i][1]);
	}
}

static void names_that_could_be_paths_or_mean_something_else_are_refused(void **state)
{
	static const char *const bad[] = { "",	  "host", "/etc", "../x", "a/../b", ".hidden", "a b",
					   "a\n", "-rf",  "a/",	  "a:",	  "a%2Fb",  "é",       "docker://" };
	char *name = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(image_name_canonical(bad[i], &name, &err), -EINVAL);
		assert_string_equal(err.slug, "image_name_bad");
	}
}

/* --- the digest --------------------------------------------------------------------------------------------------- */

static void digest_of(int root_fd, char **env, char *ret)
{
	struct image image = { .env = env };

	assert_int_equal(image_digest_compute(root_fd, &image, NULL, NULL, NULL), 0);
	memcpy(ret, image.digest, sizeof(image.digest));
}

static void the_digest_is_the_one_that_is_documented(void **state)
{
	const struct folder *folder = *state;
	char digest[IMAGE_DIGEST_LEN + 1];

	/* printf 'kiln-image 1\n' | sha256sum */
	digest_of(folder->fd, NULL, digest);
	assert_string_equal(digest,
			    "sha256:f54d6e25a779d70654e6422fd1d3479908b1996a7ec86274a95777d469c7bbf9");
	/* … with 'f a\0ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\0' behind it. */
	write_text(folder->fd, "a", "a");
	digest_of(folder->fd, NULL, digest);
	assert_string_equal(digest,
			    "sha256:eb0ee88991155c279f11a4820bee730f0c900a4137627bf180bba43803fd987e");
}

static void the_digest_sees_content_names_links_and_configuration(void **state)
{
	const struct folder *folder = *state;
	char *env[] = { (char *)"A=b", NULL };
	char digests[6][IMAGE_DIGEST_LEN + 1];

	write_text(folder->fd, "a", "1");
	digest_of(folder->fd, NULL, digests[0]);
	digest_of(folder->fd, env, digests[1]);
	write_text(folder->fd, "a", "2");
	digest_of(folder->fd, NULL, digests[2]);
	assert_int_equal(renameat(folder->fd, "a", folder->fd, "b"), 0);
	digest_of(folder->fd, NULL, digests[3]);
	assert_int_equal(fchmodat(folder->fd, "b", 0755, 0), 0);
	digest_of(folder->fd, NULL, digests[4]);
	assert_int_equal(symlinkat("b", folder->fd, "c"), 0);
	digest_of(folder->fd, NULL, digests[5]);
	for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(digests[i], digests[j]);
	}
}

/* --- the store ---------------------------------------------------------------------------------------------------- */

static void an_image_is_found_by_name_and_by_digest(void **state)
{
	struct image_store *store = open_store(*state);
	char digest[IMAGE_DIGEST_LEN + 1], full[128];
	struct image image;

	assert_int_equal(store_image(store, "a/b:1", "x", digest), 0);
	snprintf(full, sizeof(full), "a/b:1@%s", digest);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(image_store_find(store,
						  i == 0   ? "a/b:1"
						  : i == 1 ? full
							   : digest,
						  &image, NULL),
				 0);
		assert_string_equal(image.digest, digest);
		assert_string_equal(image.name, "a/b:1");
		assert_int_equal(image.files, 1);
		image_finish(&image);
	}
	full[strlen(full) - 1] ^= 1;
	assert_int_equal(image_store_find(store, full, &image, NULL), -EINVAL);
	image_store_close(store);
}

static void an_unknown_image_is_a_refusal(void **state)
{
	struct image_store *store = open_store(*state);
	struct err err = ERR_INIT;
	struct image image;

	assert_int_equal(image_store_find(store, "nothing", &image, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_UNKNOWN);
	assert_string_equal(err.slug, "image_unknown");
	image_store_close(store);
}

static void the_same_content_is_stored_once(void **state)
{
	struct image_store *store = open_store(*state);
	char a[IMAGE_DIGEST_LEN + 1], b[IMAGE_DIGEST_LEN + 1];
	struct image image;

	assert_int_equal(store_image(store, "a", "x", a), 0);
	assert_int_equal(store_image(store, "b", "x", b), 0);
	assert_string_equal(a, b);
	assert_int_equal(image_store_remove(store, "a", NULL), 0);
	assert_int_equal(image_store_find(store, "b", &image, NULL), 0);
	assert_int_equal(image_store_verify(store, &image, NULL, NULL, NULL), 0);
	image_finish(&image);
	image_store_close(store);
}

static void a_name_can_go_to_another_image_and_gc_removes_the_old(void **state)
{
	struct image_store *store = open_store(*state);
	char first[IMAGE_DIGEST_LEN + 1], second[IMAGE_DIGEST_LEN + 1];
	struct image_gc gc;
	struct image image;

	assert_int_equal(store_image(store, "a", "1", first), 0);
	assert_int_equal(store_image(store, "a", "2", second), 0);
	assert_int_equal(image_store_find(store, "a", &image, NULL), 0);
	assert_string_equal(image.digest, second);
	image_finish(&image);
	assert_int_equal(image_store_gc(store, &gc, NULL), 0);
	assert_int_equal(gc.images, 1);
	assert_int_equal(image_store_find(store, first, &image, NULL), -EINVAL);
	assert_int_equal(image_store_find(store, second, &image, NULL), 0);
	image_finish(&image);
	image_store_close(store);
}

static void an_image_that_is_used_is_not_removed(void **state)
{
	struct image_store *store = open_store(*state);
	char digest[IMAGE_DIGEST_LEN + 1];
	struct err err = ERR_INIT;
	struct image_gc gc;
	int root_fd, lock_fd;

	assert_int_equal(store_image(store, "a", "x", digest), 0);
	assert_int_equal(image_store_use(store, digest, &root_fd, &lock_fd, NULL), 0);
	assert_int_equal(image_store_remove(store, "a", &err), -EBUSY);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(store_image(store, "a", "y", NULL), 0);
	assert_int_equal(image_store_gc(store, &gc, NULL), 0);
	assert_int_equal(gc.images, 0);
	assert_string_equal(file_text(root_fd, "file"), "x");
	close(lock_fd);
	close(root_fd);
	assert_int_equal(image_store_gc(store, &gc, NULL), 0);
	assert_int_equal(gc.images, 1);
	image_store_close(store);
}

static void a_changed_file_does_not_pass_the_verification(void **state)
{
	const struct folder *folder = *state;
	struct image_store *store = open_store(folder);
	struct image image;
	char path[256];

	assert_int_equal(store_image(store, "a", "x", NULL), 0);
	assert_int_equal(image_store_find(store, "a", &image, NULL), 0);
	assert_int_equal(image_store_verify(store, &image, NULL, NULL, NULL), 0);
	snprintf(path, sizeof(path), "images/sha256-%s/rootfs/file", image.digest + 7);
	write_text(folder->fd, path, "y");
	assert_int_equal(image_store_verify(store, &image, NULL, NULL, NULL), -EBADMSG);
	image_finish(&image);
	image_store_close(store);
}

struct fall {
	int left;
};

static void fall_down(void *user, const char *step)
{
	struct fall *fall = user;

	if (fall->left-- == 0)
		raise(SIGKILL);
}

/* A child that stores an image, or removes one, and is killed before its `at`th step. False: it came to its end. */
static bool killed_at(const struct folder *folder, int at, bool removing)
{
	struct fall fall = { .left = at };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct image_store *store = open_store(folder);

		image_store_on_step(store, fall_down, &fall);
		_exit(removing ? image_store_remove(store, "old", NULL) < 0
			       : store_image(store, "new", "whole", NULL) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* Whatever has a name is whole, and nothing is left of what died. */
static void assert_sound(const struct folder *folder)
{
	struct image_store *store = open_store(folder);
	struct image_gc gc;
	struct image *list;
	size_t count;

	assert_int_equal(image_store_list(store, &list, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(image_store_verify(store, &list[i], NULL, NULL, NULL), 0);
	image_list_free(list, count);
	assert_int_equal(count_entries(folder, "work"), 0);
	assert_int_equal(image_store_gc(store, &gc, NULL), 0);
	assert_int_equal(image_store_list(store, &list, &count, NULL), 0);
	image_list_free(list, count);
	/* names, work, download, and one folder for each image */
	assert_int_equal(count_entries(folder, ""), 3 + count);
	image_store_close(store);
}

static void a_build_killed_at_any_step_leaves_nothing_that_looks_whole(void **state)
{
	const struct folder *folder = *state;
	struct image_store *store = open_store(folder);
	int at = 0;

	assert_int_equal(store_image(store, "old", "old", NULL), 0);
	image_store_close(store);
	while (killed_at(folder, at, false)) {
		assert_sound(folder);
		at++;
	}
	assert_true(at >= 8);
	assert_sound(folder);
	assert_int_equal(count_entries(folder, "names"), 2);
}

static void a_removal_killed_at_any_step_leaves_no_name_without_an_image(void **state)
{
	const struct folder *folder = *state;

	for (int at = 0, again = 1; again; at++) {
		struct image_store *store = open_store(folder);

		assert_int_equal(store_image(store, "old", "old", NULL), 0);
		image_store_close(store);
		again = killed_at(folder, at, true);
		assert_sound(folder);
	}
}

static void a_build_under_way_is_not_swept(void **state)
{
	const struct folder *folder = *state;
	struct image_store *store = open_store(folder);
	struct image image = { .name = (char *)"a" };
	struct image_work *work;

	assert_int_equal(image_work_begin(store, &work, NULL), 0);
	image_store_close(open_store(folder));
	write_text(image_work_root_fd(work), "file", "x");
	assert_int_equal(image_work_commit(work, &image, NULL, NULL, NULL), 0);
	image_work_end(work);
	assert_sound(folder);
	image_store_close(store);
}

static void a_second_pull_of_the_same_is_told_that_one_is_under_way(void **state)
{
	struct image_store *store = open_store(*state);
	AUTO_FREE char *path = NULL, *again = NULL;
	struct err err = ERR_INIT;
	struct image_gc gc;
	int fd, second;

	assert_int_equal(image_store_download(store, "x/y", &fd, &path, NULL), 0);
	assert_int_equal(image_store_download(store, "x/y", &second, &again, &err), -EBUSY);
	assert_string_equal(err.slug, "image_busy");
	write_text(fd, "layer", "bytes");
	assert_int_equal(image_store_gc(store, &gc, NULL), 0);
	assert_string_equal(file_text(fd, "layer"), "bytes");
	close(fd);
	assert_int_equal(image_store_gc(store, &gc, NULL), 0);
	assert_int_equal(gc.downloads, 1);
	image_store_close(store);
}

static void a_store_that_is_not_there_is_an_empty_one(void **state)
{
	const struct folder *folder = *state;
	struct image_store *store;
	struct image *list;
	size_t count;

	assert_int_equal(image_store_open(folder->path, IMAGE_STORE_READ, &store, NULL), 0);
	assert_int_equal(image_store_list(store, &list, &count, NULL), 0);
	assert_int_equal(count, 0);
	image_list_free(list, count);
	image_store_close(store);
	assert_int_equal(faccessat(folder->fd, "images", F_OK, 0), -1);
}

/* --- recipes ------------------------------------------------------------------------------------------------------ */

static int load_recipe(const struct folder *folder, const char *text, struct recipe *ret, struct err *err)
{
	char path[128];

	write_text(folder->fd, "recipe.yaml", text);
	snprintf(path, sizeof(path), "%s/recipe.yaml", folder->path);
	return recipe_load(path, ret, err);
}

static void a_recipe_is_read(void **state)
{
	struct recipe recipe;

	assert_int_equal(
		load_recipe(*state,
			    "name: node\nsuite: sid\npackages: [nodejs, g++]\nnpm: ['@types/node@24']\n"
			    "env: {A: b}\nsetup: ['echo 1']\nfiles: [{from: a/b.c, to: /opt/b.c, mode: "
			    "'0755'}]\n",
			    &recipe, NULL),
		0);
	assert_string_equal(recipe.name, "node");
	assert_string_equal(recipe.packages[1], "g++");
	assert_string_equal(recipe.npm[0], "@types/node@24");
	assert_string_equal(recipe.env[0], "A=b");
	assert_string_equal(recipe.setup[0], "echo 1");
	assert_int_equal(recipe.files_count, 1);
	assert_int_equal(recipe.files[0].mode, 0755);
	recipe_finish(&recipe);
}

static void what_could_be_an_option_or_a_path_elsewhere_is_refused(void **state)
{
	static const char *const bad[] = {
		"name: a\nsuite: bookworm\npackages: [--hook=x]\n",
		"name: a\nsuite: bookworm\npackages: ['x;y']\n",
		"name: a\nsuite: bookworm\npackages: []\nnpm: ['-g']\n",
		"name: a\nsuite: warty\npackages: []\n",
		"name: a\nsuite: bookworm\n",
		"name: a\nsuite: bookworm\npackages: []\nspice: 1\n",
		"name: a\nsuite: bookworm\npackages: []\nfiles: [{from: ../x, to: /x}]\n",
		"name: a\nsuite: bookworm\npackages: []\nfiles: [{from: /etc/shadow, to: /x}]\n",
		"name: a\nsuite: bookworm\npackages: []\nfiles: [{from: x, to: x}]\n",
		"name: a\nsuite: bookworm\npackages: []\nfiles: [{from: x, to: /x/../../y}]\n",
		"name: a\nsuite: bookworm\npackages: []\nfiles: [{from: x, to: /x, mode: '4755'}]\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct recipe recipe;
		struct err err = ERR_INIT;

		assert_int_equal(load_recipe(*state, bad[i], &recipe, &err), -EINVAL);
		assert_non_null(strstr(err.text, "recipe.yaml:"));
		recipe_finish(&recipe);
	}
}

static void a_damaged_name_hides_no_other_and_can_be_removed(void **state)
{
	struct image_store *store = open_store(*state);
	struct image *list;
	struct err err = ERR_INIT;
	size_t count;

	assert_int_equal(store_image(store, "whole", "1", NULL), 0);
	assert_int_equal(store_image(store, "lessons/broken", "2", NULL), 0);
	write_text(image_store_names_fd(store), "lessons%2Fbroken.json", "{\"digest\":");
	write_text(image_store_names_fd(store), "%%.json", "no name of this store");
	assert_int_equal(image_store_list(store, &list, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0].name, "lessons/broken");
	assert_non_null(list[0].damage);
	assert_string_equal(list[1].name, "whole");
	assert_null(list[1].damage);
	image_list_free(list, count);
	assert_int_equal(image_store_remove(store, "lessons/broken", &err), 0);
	assert_true(image_store_remove(store, "lessons/broken", &err) < 0);
	assert_int_equal(image_store_list(store, &list, &count, &err), 0);
	assert_int_equal(count, 1);
	image_list_free(list, count);
	image_store_close(store);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_brought_to_one_form),
		with_folder(a_damaged_name_hides_no_other_and_can_be_removed),
		cmocka_unit_test(names_that_could_be_paths_or_mean_something_else_are_refused),
		with_folder(the_digest_is_the_one_that_is_documented),
		with_folder(the_digest_sees_content_names_links_and_configuration),
		with_folder(an_image_is_found_by_name_and_by_digest),
		with_folder(an_unknown_image_is_a_refusal),
		with_folder(the_same_content_is_stored_once),
		with_folder(a_name_can_go_to_another_image_and_gc_removes_the_old),
		with_folder(an_image_that_is_used_is_not_removed),
		with_folder(a_changed_file_does_not_pass_the_verification),
		with_folder(a_build_killed_at_any_step_leaves_nothing_that_looks_whole),
		with_folder(a_removal_killed_at_any_step_leaves_no_name_without_an_image),
		with_folder(a_build_under_way_is_not_swept),
		with_folder(a_second_pull_of_the_same_is_told_that_one_is_under_way),
		with_folder(a_store_that_is_not_there_is_an_empty_one),
		with_folder(a_recipe_is_read),
		with_folder(what_could_be_an_option_or_a_path_elsewhere_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
