/*
 * Defaults that depend on the machine and the user: folders and the number of processors.
 */
#include "config/config_priv.h"

#include "base/cleanup.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* A variable that holds an absolute path, or NULL: the XDG specification has relative ones ignored. */
static const char *absolute_variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value == '/' ? value : NULL;
}

static int state_dir(char **ret, struct err *err)
{
	const char *base = absolute_variable("XDG_STATE_HOME");
	const char *home = absolute_variable("HOME");
	const struct passwd *user;
	int n;

	if (geteuid() == 0) {
		n = asprintf(ret, "/var/lib/kiln");
	} else if (base) {
		n = asprintf(ret, "%s/kiln", base);
	} else {
		user = home ? NULL : getpwuid(geteuid());
		if (!home && user)
			home = user->pw_dir;
		if (!home)
			return err_refuse(
				err, ERR_INTERNAL, "config_invalid", "state_dir",
				"state_dir: this user has no home folder: say where with --state-dir");
		n = asprintf(ret, "%s/.local/state/kiln", home);
	}
	return n < 0 ? err_set(err, -ENOMEM, "state_dir") : 0;
}

/* The installed place when it is there, else the one in a build folder inside the source. */
static int shared_dir(const char *name, char **ret, struct err *err)
{
	AUTO_FREE char *program = realpath("/proc/self/exe", NULL);
	AUTO_FREE char *installed = NULL;
	char *slash;

	if (!program)
		return err_set(err, -errno, "%s_dir: where the program is", name);
	slash = strrchr(program, '/');
	*slash = '\0';
	if (asprintf(&installed, "%s/../share/kiln/%s", program, name) < 0) {
		installed = NULL;
		return err_set(err, -ENOMEM, "%s_dir", name);
	}
	*ret = realpath(installed, NULL);
	if (*ret)
		return 0;
	if (asprintf(ret, "%s/../%s", program, name) < 0) {
		*ret = NULL;
		return err_set(err, -ENOMEM, "%s_dir", name);
	}
	return 0;
}

static int languages_dir(char **ret, struct err *err)
{
	return shared_dir("languages", ret, err);
}

static int images_dir(char **ret, struct err *err)
{
	return shared_dir("images", ret, err);
}

static int parallel(char **ret, struct err *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (processors < 1)
		processors = 1;
	if (processors > 2048)
		processors = 2048;
	return asprintf(ret, "%ld", 2 * processors) < 0 ? err_set(err, -ENOMEM, "parallel") : 0;
}

static const struct {
	const char *name;
	int (*make)(char **ret, struct err *err);
} worked_out[] = {
	{ "state_dir", state_dir },
	{ "languages_dir", languages_dir },
	{ "images_dir", images_dir },
	{ "parallel", parallel },
};

static int work_out(struct config_reader *reader, size_t at, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(worked_out); i++) {
		if (strcmp(worked_out[i].name, config_settings[at].name) != 0)
			continue;
		r = worked_out[i].make(&text, err);
		if (r < 0) {
			text = NULL;
			return r;
		}
		return setting_set(reader, at, SOURCE_DEFAULT, text, config_settings[at].name, err);
	}
	return 0;
}

int config_defaults(struct config_reader *reader, struct err *err)
{
	const char *fallback;
	char text[32];
	int r = 0;

	for (size_t i = 0; i < config_settings_count && r == 0; i++) {
		if (reader->set_by[i] != SOURCE_NONE)
			continue;
		fallback = setting_fallback(&config_settings[i], text, sizeof(text));
		if (fallback)
			r = setting_set(reader, i, SOURCE_DEFAULT, fallback, config_settings[i].name, err);
		else
			r = work_out(reader, i, err);
	}
	return r;
}
