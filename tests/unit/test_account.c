/* The USER of an image, as Docker looks it up. */
#include "image/account.h"

#include "base/cleanup.h"
#include "image_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PASSWD                                                                                               \
	"root:x:0:0:root:/root:/bin/sh\n\ndaemon:x:1:1::/usr/sbin:/sbin/nologin\n"                           \
	"app:x:1234:2345:The App,,,:/home/app:/bin/sh\napp:x:9:9::/elsewhere:\nbroken:x:many:7::/b:\n"       \
	"short:x\n70:x:71:72::/numbers:\ntoor:x:0:0::/root:\nfar:x:2147483648:1::/far:\nbare:x:80:81::/:\n"  \
	"last:x:90:91:::/bin/sh"
#define GROUP "root:x:0:\nweb:x:3333:app\nweb:x:4:\n55:x:56:\nfar:x:4294967296:\napp:x:2345:"

static void assert_user(const char *user, uint32_t uid, uint32_t gid, const char *name, const char *home)
{
	struct image_account account;
	struct err err = ERR_INIT;

	if (account_find(user, PASSWD, GROUP, &account, &err) < 0)
		fail_msg("%s: %s", user, err.text);
	assert_int_equal(account.uid, uid);
	assert_int_equal(account.gid, gid);
	if (name)
		assert_string_equal(account.name, name);
	else
		assert_null(account.name);
	assert_string_equal(account.home, home);
	image_account_finish(&account);
}

static void a_user_is_found_by_name_or_number_with_his_group_and_home(void **state)
{
	assert_user("app", 1234, 2345, "app", "/home/app");
	assert_user("1234", 1234, 2345, "app", "/home/app");
	assert_user("daemon", 1, 1, "daemon", "/usr/sbin");
	assert_user("app:", 1234, 2345, "app", "/home/app");
}

static void a_group_behind_the_user_takes_the_place_of_his_own(void **state)
{
	assert_user("app:web", 1234, 3333, "app", "/home/app");
	assert_user("app:3333", 1234, 3333, "app", "/home/app");
	assert_user("app:7777", 1234, 7777, "app", "/home/app");
	assert_user("1234:web", 1234, 3333, "app", "/home/app");
	assert_user("app:0", 1234, 0, "app", "/home/app");
	assert_user("app:web:more", 1234, 3333, "app", "/home/app");
}

static void a_number_without_a_line_is_a_user_of_group_0(void **state)
{
	assert_user("5000", 5000, 0, NULL, "/home/sandbox");
	assert_user("5000:6000", 5000, 6000, NULL, "/home/sandbox");
	assert_user("5000:web", 5000, 3333, NULL, "/home/sandbox");
	assert_user("2147483647:2147483647", 2147483647, 2147483647, NULL, "/home/sandbox");
}

static void digits_are_a_number_even_where_somebody_is_called_so(void **state)
{
	assert_user("70", 70, 0, NULL, "/home/sandbox");
	assert_user("5000:55", 5000, 55, NULL, "/home/sandbox");
}

static void whoever_is_root_has_uid_0(void **state)
{
	static const char *const users[] = { NULL, "", "root", "0", "0:0", ":web", "toor", "root:web" };
	struct image_account account;

	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		assert_int_equal(account_find(users[i], PASSWD, GROUP, &account, NULL), 0);
		assert_int_equal(account.uid, 0);
		image_account_finish(&account);
	}
	/* So is who has no number where one should be: Docker takes that for 0. */
	assert_int_equal(account_find("broken", PASSWD, GROUP, &account, NULL), 0);
	assert_int_equal(account.uid, 0);
	image_account_finish(&account);
	assert_int_equal(account_find("short", PASSWD, GROUP, &account, NULL), 0);
	assert_int_equal(account.uid, 0);
	image_account_finish(&account);
}

static void a_home_that_is_none_is_that_of_all_sandboxes(void **state)
{
	assert_user("bare", 80, 81, "bare", "/home/sandbox");
	assert_user("last", 90, 91, "last", "/home/sandbox");
}

static void who_is_not_there_is_refused_by_name(void **state)
{
	static const struct {
		const char *user, *says;
	} table[] = { { "ghost", "'ghost', who is not in its /etc/passwd" },
		      { "ghost:web", "'ghost', who is not in its /etc/passwd" },
		      { "app:ghosts", "'ghosts', a group that is not in its /etc/group" },
		      { "root:ghosts", "'ghosts', a group that is not in its /etc/group" },
		      { "-1", "'-1', who is not in" },
		      { "ap", "'ap', who" },
		      { "app ", "'app ', who" },
		      { "a\nb", "'a?b', who" },
		      { "99999999999999999999", "who is not in" },
		      { "2147483648", "end at 2147483647" },
		      { "1:2147483648", "end at 2147483647" },
		      { "far", "end at 2147483647" },
		      { "app:far", "end at 2147483647" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct image_account account;
		struct err err = ERR_INIT;

		assert_int_equal(account_find(table[i].user, PASSWD, GROUP, &account, &err), -EINVAL);
		image_account_finish(&account);
		assert_int_equal(err.kind, ERR_IMPOSSIBLE);
		assert_string_equal(err.slug, "image_user_unknown");
		if (!strstr(err.text, table[i].says))
			fail_msg("%s: %s", table[i].user, err.text);
	}
}

static void empty_tables_know_nobody_but_numbers(void **state)
{
	struct image_account account;

	assert_int_equal(account_find("app", "", "", &account, NULL), -EINVAL);
	image_account_finish(&account);
	assert_int_equal(account_find("7:8", "", "", &account, NULL), 0);
	assert_int_equal(account.uid, 7);
	assert_int_equal(account.gid, 8);
	image_account_finish(&account);
}

/* ---- in the files of an image ---- */

static void furnish(const struct folder *root, const struct member *members)
{
	assert_int_equal(apply(root->fd, members, false, NULL), 0);
	assert_int_equal(layer_furnish(root->fd, NULL, NULL), 0);
}

static void a_number_without_a_line_gets_one(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = { { "etc/passwd", S_IFREG, "root:x:0:0::/root:/bin/sh" }, { 0 } };
	struct image image = { .user = strdup("5000:6000") };

	furnish(root, members);
	assert_int_equal(account_resolve(root->fd, &image, NULL), 0);
	assert_int_equal(image.account.uid, 5000);
	assert_string_equal(image.account.name, "sandbox");
	assert_non_null(strstr(file_text(root->fd, "etc/passwd"),
			       "\nsandbox:x:5000:6000:sandbox:/home/sandbox:/bin/sh\n"));
	assert_non_null(strstr(file_text(root->fd, "etc/group"), "\nsandbox:x:6000:\n"));
	image_finish(&image);
}

static void who_has_a_line_leaves_the_files_as_they_are(void **state)
{
	const struct folder *root = *state;
	const struct member members[] = { { "etc/passwd", S_IFREG, PASSWD },
					  { "etc/group", S_IFREG, GROUP },
					  { 0 } };
	struct image image = { .user = strdup("app:web") };
	AUTO_FREE char *before = NULL;

	furnish(root, members);
	before = strdup(file_text(root->fd, "etc/passwd"));
	assert_int_equal(account_resolve(root->fd, &image, NULL), 0);
	assert_int_equal(image.account.gid, 3333);
	assert_string_equal(file_text(root->fd, "etc/passwd"), before);
	image_finish(&image);
}

static void root_and_nobody_in_particular_have_no_account(void **state)
{
	const struct folder *root = *state;
	struct image image = { .user = strdup("root") };

	furnish(root, (const struct member[]){ { 0 } });
	assert_int_equal(account_resolve(root->fd, &image, NULL), 0);
	assert_int_equal(image.account.uid, 0);
	assert_null(image.account.name);
	image_finish(&image);
	assert_int_equal(account_resolve(root->fd, &image, NULL), 0);
	assert_int_equal(image.account.uid, 0);
}

static void a_description_keeps_the_account_and_one_from_before_there_were_any_has_none(void **state)
{
	struct image image = { .account = { 70, 0, strdup("postgres"), strdup("/var/lib/postgresql") } };
	struct image again = { 0 };
	json_t *json;

	memset(image.digest, 'a', IMAGE_DIGEST_LEN);
	memcpy(image.digest, "sha256:", 7);
	json = image_to_json(&image);
	assert_int_equal(image_from_json(json, &again, NULL), 0);
	assert_int_equal(again.account.uid, 70);
	assert_int_equal(again.account.gid, 0);
	assert_string_equal(again.account.name, "postgres");
	assert_string_equal(again.account.home, "/var/lib/postgresql");
	image_finish(&again);
	json_object_del(json, "account");
	assert_int_equal(image_from_json(json, &again, NULL), 0);
	assert_int_equal(again.account.uid, 0);
	image_finish(&again);
	json_decref(json);
	image_finish(&image);
}

static void a_description_with_a_user_out_of_bounds_is_none(void **state)
{
	static const char *const accounts[] = {
		"{\"uid\": 4294967296, \"gid\": 1, \"name\": \"a\", \"home\": \"/\"}",
		"{\"uid\": -1, \"gid\": 1, \"name\": \"a\", \"home\": \"/\"}",
		"{\"uid\": 1, \"gid\": 2147483648, \"name\": \"a\", \"home\": \"/\"}",
		"{\"uid\": 0, \"gid\": 1, \"name\": \"a\", \"home\": \"/\"}",
		"{\"uid\": 1, \"gid\": 1, \"home\": \"/\"}",
		"{\"uid\": 1, \"gid\": 1, \"name\": \"a\"}",
		"[]",
	};
	struct image image = { 0 }, again;
	json_t *json;

	memset(image.digest, 'a', IMAGE_DIGEST_LEN);
	memcpy(image.digest, "sha256:", 7);
	json = image_to_json(&image);
	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		assert_int_equal(json_object_set_new(json, "account", json_loads(accounts[i], 0, NULL)), 0);
		assert_int_equal(image_from_json(json, &again, NULL), -EINVAL);
		image_finish(&again);
	}
	json_decref(json);
}

static int setup(void **state)
{
	struct folder *folder = malloc(sizeof(*folder));

	folder_make(folder);
	*state = folder;
	return 0;
}

static int teardown(void **state)
{
	folder_remove(*state);
	free(*state);
	return 0;
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_found_by_name_or_number_with_his_group_and_home),
		cmocka_unit_test(a_group_behind_the_user_takes_the_place_of_his_own),
		cmocka_unit_test(a_number_without_a_line_is_a_user_of_group_0),
		cmocka_unit_test(digits_are_a_number_even_where_somebody_is_called_so),
		cmocka_unit_test(whoever_is_root_has_uid_0),
		cmocka_unit_test(a_home_that_is_none_is_that_of_all_sandboxes),
		cmocka_unit_test(who_is_not_there_is_refused_by_name),
		cmocka_unit_test(empty_tables_know_nobody_but_numbers),
		with_folder(a_number_without_a_line_gets_one),
		with_folder(who_has_a_line_leaves_the_files_as_they_are),
		with_folder(root_and_nobody_in_particular_have_no_account),
		cmocka_unit_test(a_description_keeps_the_account_and_one_from_before_there_were_any_has_none),
		cmocka_unit_test(a_description_with_a_user_out_of_bounds_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
