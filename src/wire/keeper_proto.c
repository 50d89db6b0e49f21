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

/* The sandbox's own, which nothing of a service's can cover. */
static bool is_of_system(const char *name, size_t len)
{
	return len == 3 ? strncmp(name, "dev", 3) == 0 || strncmp(name, "sys", 3) == 0
			: len == 4 && strncmp(name, "proc", 4) == 0;
}

const char *keeper_folder_fault(const char *path, size_t len)
{
	if (len < 2 || path[0] != '/' || path[len - 1] == '/')
		return "must be an absolute path without a slash at its end";
	if (len >= KEEPER_FOLDER_SIZE)
		return "has more than 127 bytes";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)path[i] < ' ' || path[i] == 127)
			return "has a control character";
	}
	if (is_of_system(path + 1, strcspn(path + 1, "/")))
		return "must not lie in /dev, /proc or /sys, which are every sandbox's own (/dev/shm can be "
		       "written)";
	for (const char *at = path; *at; at += strcspn(at, "/")) {
		size_t size = strcspn(++at, "/");

		if (size == 0 || (size <= 2 && strncmp(at, "..", size) == 0))
			return "has an empty component, \".\" or \"..\"";
	}
	return NULL;
}

static bool are_folders(const char folders[KEEPER_FOLDERS_SIZE])
{
	const char *at = folders;
	unsigned count = 0;

	if (folders[KEEPER_FOLDERS_SIZE - 1])
		return false;
	while (at < folders + KEEPER_FOLDERS_SIZE && *at) {
		size_t len = strlen(at);

		if (++count > KEEPER_FOLDERS_MAX || keeper_folder_fault(at, len))
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
