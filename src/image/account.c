#include "image/account.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TABLE_MAX   (2UL * 1024 * 1024) /* more than furnishing leaves */
#define DIGITS_MAX  18
#define HOME_OF_ALL "/home/sandbox"

/* A part of a text that is not ours to change. */
struct piece {
	const char *at;
	size_t len;
};

enum passwd_field { FIELD_NAME = 0, FIELD_ID = 2, FIELD_GROUP = 3, FIELD_HOME = 5 };

static struct piece piece_of(const char *text, const char *end)
{
	return (struct piece){ text, (size_t)(end - text) };
}

/* Field `n` of a line, counted from 0; empty where there is none. */
static struct piece field_of(struct piece line, int n)
{
	const char *at = line.at, *end = line.at + line.len, *colon;

	for (; n > 0; n--) {
		colon = memchr(at, ':', (size_t)(end - at));
		if (!colon)
			return (struct piece){ end, 0 };
		at = colon + 1;
	}
	colon = memchr(at, ':', (size_t)(end - at));
	return piece_of(at, colon ? colon : end);
}

static bool number_of(struct piece text, uint64_t *ret)
{
	uint64_t number = 0;

	if (text.len == 0 || text.len > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		number = number * 10 + (unsigned)(text.at[i] - '0');
	}
	*ret = number;
	return true;
}

/* What is no number in a table counts as 0, as Docker has it. */
static uint64_t number_in(struct piece line, int n)
{
	uint64_t number = 0;

	(void)!number_of(field_of(line, n), &number);
	return number;
}

/* The first line of a table whose number, or else whose name it is. */
static bool find_line(const char *table, struct piece who, struct piece *ret)
{
	uint64_t wanted = 0;
	bool by_number = number_of(who, &wanted);

	for (const char *end, *at = table; *at; at = *end ? end + 1 : end) {
		struct piece line, name;

		end = strchrnul(at, '\n');
		line = piece_of(at, end);
		name = field_of(line, FIELD_NAME);
		if (line.len == 0)
			continue;
		if (by_number ? number_in(line, FIELD_ID) == wanted
			      : name.len == who.len && memcmp(name.at, who.at, who.len) == 0) {
			*ret = line;
			return true;
		}
	}
	return false;
}

static int unknown(struct err *err, struct piece who, const char *what)
{
	char shown[100];
	size_t i = 0;

	for (; i < who.len && i + 1 < sizeof(shown); i++)
		shown[i] = (unsigned char)who.at[i] < 0x20 || who.at[i] == 0x7f ? '?' : who.at[i];
	shown[i] = '\0';
	return err_refuse(err, ERR_IMPOSSIBLE, "image_user_unknown", "image", "the image's USER is '%s', %s",
			  shown, what);
}

static int take(struct piece text, char **ret, struct err *err)
{
	*ret = strndup(text.at, text.len);
	return *ret ? 0 : err_set(err, -ENOMEM, "the user of an image");
}

/* Where nothing can be a home, or everything, the one of all sandboxes is. */
static int take_home(struct piece home, struct image_account *ret, struct err *err)
{
	bool fits = home.len > 1 && home.len < PATH_MAX && home.at[0] == '/';

	return take(fits ? home : (struct piece){ HOME_OF_ALL, strlen(HOME_OF_ALL) }, &ret->home, err);
}

static int check_bounds(uint64_t uid, uint64_t gid, struct piece who, struct err *err)
{
	return uid > ACCOUNT_ID_MAX || gid > ACCOUNT_ID_MAX
		       ? unknown(err, who, "and numbers of users and groups end at 2147483647")
		       : 0;
}

static int find_user(struct piece who, const char *passwd, struct image_account *ret, uint64_t *ret_uid,
		     uint64_t *ret_gid, struct err *err)
{
	struct piece line;
	int r;

	if (!find_line(passwd, who, &line))
		return number_of(who, ret_uid) ? 0 : unknown(err, who, "who is not in its /etc/passwd");
	*ret_uid = number_in(line, FIELD_ID);
	*ret_gid = number_in(line, FIELD_GROUP);
	r = take(field_of(line, FIELD_NAME), &ret->name, err);
	return r < 0 ? r : take_home(field_of(line, FIELD_HOME), ret, err);
}

static int find_group(struct piece who, const char *group, uint64_t *ret_gid, struct err *err)
{
	struct piece line;

	if (find_line(group, who, &line)) {
		*ret_gid = number_in(line, FIELD_ID);
		return 0;
	}
	return number_of(who, ret_gid) ? 0 : unknown(err, who, "a group that is not in its /etc/group");
}

int account_find(const char *user, const char *passwd, const char *group, struct image_account *ret,
		 struct err *err)
{
	struct piece all = { user ? user : "", strlen(user ? user : "") };
	struct piece name = field_of(all, 0), of_group = field_of(all, 1);
	uint64_t uid = 0, gid = 0;
	int r;

	*ret = (struct image_account){ 0 };
	if (name.len == 0)
		name = (struct piece){ "0", 1 };
	r = find_user(name, passwd, ret, &uid, &gid, err);
	if (r == 0 && of_group.len > 0)
		r = find_group(of_group, group, &gid, err);
	if (r == 0)
		r = check_bounds(uid, gid, all, err);
	if (r == 0 && !ret->home)
		r = take_home((struct piece){ "", 0 }, ret, err);
	ret->uid = (uint32_t)uid;
	ret->gid = (uint32_t)gid;
	return r;
}

/* The tables are ours: furnishing has made them, each ending with a newline. */
static int add_line(int etc_fd, const char *name, const char *line)
{
	AUTO_CLOSE int fd = openat(etc_fd, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_all(fd, line, strlen(line));
}

/* Programs ask for the name of the user that they run as, and some end when there is none. */
static int complete(int etc_fd, const char *group, struct image_account *account, struct err *err)
{
	char line[128], number[16];
	struct piece found;
	int r = 0;

	if (!account->name) {
		account->name = strdup("sandbox");
		if (!account->name)
			return err_set(err, -ENOMEM, "the user of an image");
		snprintf(line, sizeof(line), "sandbox:x:%u:%u:sandbox:" HOME_OF_ALL ":/bin/sh\n",
			 account->uid, account->gid);
		r = add_line(etc_fd, "passwd", line);
	}
	snprintf(number, sizeof(number), "%u", account->gid);
	if (r == 0 && !find_line(group, (struct piece){ number, strlen(number) }, &found)) {
		snprintf(line, sizeof(line), "sandbox:x:%u:\n", account->gid);
		r = add_line(etc_fd, "group", line);
	}
	return r < 0 ? err_set(err, r, "enter the image's user in its /etc") : 0;
}

int account_resolve(int root_fd, struct image *image, struct err *err)
{
	AUTO_CLOSE int etc_fd = -1;
	AUTO_FREE char *passwd = NULL, *group = NULL;
	int r;

	image_account_finish(&image->account);
	if (!image->user)
		return 0;
	etc_fd = tree_open_dir(root_fd, "etc");
	r = etc_fd < 0 ? etc_fd : tree_read_file(etc_fd, "passwd", TABLE_MAX, &passwd, NULL);
	if (r == 0)
		r = tree_read_file(etc_fd, "group", TABLE_MAX, &group, NULL);
	if (r < 0)
		return err_set(err, r, "read who the image's users are");
	r = account_find(image->user, passwd, group, &image->account, err);
	if (r == 0 && image->account.uid > 0)
		return complete(etc_fd, group, &image->account, err);
	image_account_finish(&image->account);
	return r;
}
