/* What can be said of a request by itself. */
#include "wire/keeper_proto.h"

#include <string.h>

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_user_name(const char name[KEEPER_NAME_SIZE])
{
	size_t len = strnlen(name, KEEPER_NAME_SIZE);

	if (len == 0 || len == KEEPER_NAME_SIZE || !is_letter(name[0]) || strcmp(name, "shared") == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_letter(name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	}
	return true;
}

static bool is_component(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)name[i] < ' ' || name[i] == 127)
			return false;
	}
	return len > 0 && !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

/* The sandbox's own, which are made in ways of their own. */
static bool is_of_system(const char *name, size_t len)
{
	return len == 3 ? strncmp(name, "dev", 3) == 0 || strncmp(name, "sys", 3) == 0
			: len == 4 && strncmp(name, "proc", 4) == 0;
}

/* "/a/b": no empty, "." or ".." component, no control characters. */
static bool is_folder(const char *path, size_t len)
{
	const char *at = path, *end = path + len;

	if (len < 2 || len >= KEEPER_FOLDER_SIZE)
		return false;
	while (at < end) {
		size_t size;

		if (*at++ != '/')
			return false;
		size = strcspn(at, "/");
		if (!is_component(at, size) || (at == path + 1 && is_of_system(at, size)))
			return false;
		at += size;
	}
	return true;
}

static bool are_folders(const char folders[KEEPER_FOLDERS_SIZE])
{
	const char *at = folders;
	unsigned count = 0;

	if (folders[KEEPER_FOLDERS_SIZE - 1])
		return false;
	while (at < folders + KEEPER_FOLDERS_SIZE && *at) {
		size_t len = strlen(at);

		if (++count > KEEPER_FOLDERS_MAX || !is_folder(at, len))
			return false;
		at += len + 1;
	}
	return at < folders + KEEPER_FOLDERS_SIZE;
}

bool keeper_member_valid(const struct keeper_request *request)
{
	switch (request->member) {
	case KEEPER_MEMBER_NONE:
		return !request->session && !request->session_generation && !request->number;
	case KEEPER_MEMBER_RUN:
		return request->number >= 1 && request->number <= KEEPER_SESSION_USERS_MAX &&
		       is_user_name(request->name);
	case KEEPER_MEMBER_SERVICE:
		return request->number >= 1 && request->number <= KEEPER_SERVICES_MAX &&
		       are_folders(request->folders);
	case KEEPER_MEMBER_FILES:
		return true;
	default:
		return false;
	}
}
