/*
 * From a recipe: mmdebstrap makes Debian's smallest root file system with the recipe's packages, checks
 * everything by Debian's keys, runs the set-up scripts in it, and writes all of it as one tar, which is
 * unpacked as a stranger's would be. It works in a folder of its own below /var/tmp, since as root its
 * downloads run as another user, and as an ordinary user its files belong to subordinate uids; the tar has
 * neither.
 */
#include "image/make_priv.h"
#include "image/recipe.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strv.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIRROR	       "http://deb.debian.org/debian"
#define CONFIG_MAX     (1024UL * 1024)
#define FILE_MAX_BYTES (256L << 20)
#define RUNTIME	       "runtime:"

struct build {
	const struct image_make *make;
	const struct recipe *recipe;
	const char *beside; /* the recipe's folder */
	const char *dir;    /* below /var/tmp */
	int dir_fd;
	struct program program;
	const char *phase;
	bool stage; /* there are files to bring in */
	struct err *err;
};

/* Documentation is left out; the copyright files stay. */
static const char *const dpkg_options[] = {
	"--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-include=/usr/share/doc/*/copyright",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/lintian/*",
	/* Some packages' scripts link into it. */
	"--essential-hook=mkdir -p \"$1/usr/share/man/man1\"",
};

/* Settings of the host's apt that say how Debian is reached from here. */
static const char *const host_settings[] = { "Acquire::http::Proxy", "Acquire::https::Proxy",
					     "Acquire::Check-Valid-Until", "Acquire::Check-Date" };

/* What mmdebstrap says about itself, in our words. */
static const struct {
	const char *said, *phase;
} phases[] = {
	{ "I: running apt-get update", "reading Debian's lists of packages" },
	{ "I: downloading packages", "downloading packages" },
	{ "I: extracting archives", "unpacking packages" },
	{ "I: installing essential", "installing Debian" },
	{ "I: installing remaining", "installing packages" },
	{ "I: running --customize-hook", "setting up" },
	{ "I: running special hook", "bringing in files" },
	{ "I: cleaning", "tidying up" },
	{ "I: creating tarball", "storing" },
};

static void on_line(void *user, const char *line)
{
	struct build *b = user;

	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		if (strncmp(line, phases[i].said, strlen(phases[i].said)) == 0)
			b->phase = phases[i].phase;
	}
}

/* While packages come in, how much has come; while the tar goes out, how much of that. */
static uint64_t downloaded(const struct build *b)
{
	char **names = NULL, path[320];
	uint64_t sum = 0;

	if (tree_names(b->dir_fd, &names) < 0)
		return 0;
	for (size_t i = 0; names && names[i]; i++) {
		AUTO_CLOSE int fd = -1;

		if (strncmp(names[i], "mmdebstrap.", 11) != 0)
			continue;
		snprintf(path, sizeof(path), "%.128s/var/cache/apt/archives", names[i]);
		fd = tree_open_dir(b->dir_fd, path);
		sum += fd >= 0 ? tree_bytes(fd) : 0;
	}
	strv_free(names);
	return sum;
}

static int tick(void *user, uint64_t read)
{
	struct build *b = user;

	return progress_tell(&b->make->progress, b->phase, read ? read : downloaded(b), 0);
}

static int add(struct build *b, char ***argv, const char *format, const char *value)
{
	AUTO_FREE char *text = NULL;
	size_t room = strlen(format) + strlen(value) + 1;

	text = malloc(room);
	if (text)
		snprintf(text, room, "%s%s", format, value);
	if (!text || strv_append(argv, text, strlen(text)) < 0)
		return err_set(b->err, -ENOMEM, "build an image");
	return 0;
}

static char *joined(char *const *words, const char *first)
{
	AUTO_BUF struct buf text = BUF_INIT(CONFIG_MAX);
	int r = buf_append_str(&text, first);

	for (; r == 0 && words && *words; words++)
		r = buf_printf(&text, "%s%s", text.len ? "," : "", *words);
	return r < 0 ? NULL : (char *)buf_take(&text, NULL);
}

/*
 * --- what comes from beside the recipe and from npm
 * ---------------------------------------------------------------
 */

static int copy_content(int from_fd, int to_fd)
{
	uint8_t chunk[65536];
	int64_t total = 0;
	ssize_t n;

	while ((n = read(from_fd, chunk, sizeof(chunk))) != 0) {
		int r = n < 0 ? (errno == EINTR ? 0 : -errno) : fd_write_all(to_fd, chunk, (size_t)n);

		total += n > 0 ? n : 0;
		if (r < 0 || total > FILE_MAX_BYTES)
			return r < 0 ? r : -EFBIG;
	}
	return 0;
}

/* The folders of a path below `stage`, made as they are needed. */
static int make_folders(int dir_fd, const char *path)
{
	AUTO_FREE char *copy = strdup(path);

	for (char *at = copy ? strchr(copy, '/') : NULL; at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdirat(dir_fd, copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return copy ? 0 : -ENOMEM;
}

static int stage_file(struct build *b, const struct recipe_file *file)
{
	bool runtime = strncmp(file->from, RUNTIME, strlen(RUNTIME)) == 0;
	const char *folder = runtime ? b->make->runtime_dir : b->beside;
	AUTO_FREE char *from = NULL, *to = NULL;
	AUTO_CLOSE int from_fd = -1, to_fd = -1;
	int r;

	if (!folder)
		return err_set(b->err, -ENOENT,
			       "'%s': this kiln has no programs of its own to put into images", file->from);
	if (asprintf(&from, "%s/%s", folder, file->from + (runtime ? strlen(RUNTIME) : 0)) < 0 ||
	    asprintf(&to, "stage%s", file->to) < 0)
		return err_set(b->err, -ENOMEM, "build an image");
	from_fd = open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (from_fd < 0)
		return err_set(b->err, -errno, "open '%s', which the recipe brings in", from);
	r = make_folders(b->dir_fd, to);
	if (r == 0) {
		to_fd = openat(b->dir_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		r = to_fd < 0 ? -errno : copy_content(from_fd, to_fd);
	}
	if (r == 0 && fchmod(to_fd, file->mode) < 0)
		r = -errno;
	b->stage = true;
	return r < 0 ? err_set(b->err, r, "bring in '%s'", from) : 0;
}

static int run_with_progress(struct build *b, const struct program_spec *spec)
{
	int r = program_start(spec, &b->program, b->err);

	while (r == 0 && !program_wait(&b->program, MAKE_TICK_MS)) {
		if (progress_tell(&b->make->progress, b->phase, 0, 0) < 0)
			r = err_set(b->err, -ECANCELED, "given up");
	}
	if (r < 0)
		program_stop(&b->program);
	return r < 0 ? r : program_end(&b->program, b->err);
}

/* Downloaded by the host's npm, whose scripts stay unrun. */
static int stage_npm(struct build *b)
{
	static const char *const fixed[] = { "npm",	   "install",	"--ignore-scripts",
					     "--no-audit", "--no-fund", "--loglevel=error",
					     "--prefix" };
	AUTO_FREE char *prefix = NULL, *home = NULL;
	char *env[2] = { NULL, NULL };
	char **argv = NULL;
	struct program_spec spec = { .env = env, .dir = b->dir };
	int r = 0;

	if (!b->recipe->npm || !b->recipe->npm[0])
		return 0;
	if (asprintf(&prefix, "%s/stage/opt/npm", b->dir) < 0 ||
	    asprintf(&home, "npm_config_cache=%s/npm-cache", b->dir) < 0)
		return err_set(b->err, -ENOMEM, "build an image");
	env[0] = home;
	r = make_folders(b->dir_fd, "stage/opt/npm/x");
	if (r < 0)
		return err_set(b->err, r, "make a folder for npm");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(fixed); i++)
		r = add(b, &argv, "", fixed[i]);
	if (r == 0)
		r = add(b, &argv, "", prefix);
	for (size_t i = 0; r == 0 && b->recipe->npm[i]; i++)
		r = add(b, &argv, "", b->recipe->npm[i]);
	spec.argv = (const char *const *)argv;
	b->phase = "downloading from npm";
	b->stage = true;
	if (r == 0)
		r = run_with_progress(b, &spec);
	strv_free(argv);
	return r;
}

/* One tar of all that is brought in, everything root's. */
static int pack_stage(struct build *b)
{
	const char *const argv[] = { "tar",
				     "--create",
				     "--file=stage.tar",
				     "--owner=0",
				     "--group=0",
				     "--numeric-owner",
				     "--directory=stage",
				     "--",
				     ".",
				     NULL };
	const struct program_spec spec = { .argv = argv, .dir = b->dir };
	int r = 0;

	for (size_t i = 0; i < b->recipe->files_count && r == 0; i++)
		r = stage_file(b, &b->recipe->files[i]);
	if (r == 0)
		r = stage_npm(b);
	if (r < 0 || !b->stage)
		return r;
	b->phase = "bringing in files";
	return run_with_progress(b, &spec);
}

static int write_scripts(struct build *b)
{
	char name[32];

	for (size_t i = 0; b->recipe->setup && b->recipe->setup[i]; i++) {
		const char *script = b->recipe->setup[i];
		AUTO_CLOSE int fd = -1;
		int r;

		snprintf(name, sizeof(name), "setup-%zu", i);
		fd = openat(b->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		r = fd < 0 ? -errno : fd_write_all(fd, script, strlen(script));
		if (r < 0 || fchmod(fd, 0644) < 0)
			return err_set(b->err, r < 0 ? r : -errno, "write a set-up script");
	}
	return 0;
}

/*
 * --- mmdebstrap
 * ---------------------------------------------------------------------------------------------------
 */

/* Lines such as `Acquire::http::Proxy "http://…";` as they are printed are what --aptopt takes. */
static int add_host_settings(struct build *b, char ***argv)
{
	const char *const command[] = { "apt-config", "dump", NULL };
	AUTO_BUF struct buf text = BUF_INIT(CONFIG_MAX);
	char *rest, *line;
	int r = program_run_read(command, &text, NULL);

	/* No apt here: mmdebstrap will say so. */
	if (r < 0 || !text.len)
		return 0;
	for (rest = (char *)text.data; r == 0 && (line = strsep(&rest, "\n"));) {
		for (size_t i = 0; r == 0 && i < ARRAY_LEN(host_settings); i++) {
			size_t len = strlen(host_settings[i]);

			if (strncmp(line, host_settings[i], len) == 0 && line[len] == ' ')
				r = add(b, argv, "--aptopt=", line);
		}
	}
	return r;
}

static int add_hooks(struct build *b, char ***argv)
{
	char hook[512];
	int r = 0;

	if (b->stage) {
		snprintf(hook, sizeof(hook), "tar-in %s/stage.tar /", b->dir);
		r = add(b, argv, "--customize-hook=", hook);
	}
	for (size_t i = 0; r == 0 && b->recipe->setup && b->recipe->setup[i]; i++) {
		snprintf(hook, sizeof(hook),
			 "env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
			 "HOME=/root LC_ALL=C.UTF-8 "
			 "chroot \"$1\" /bin/sh -eu < %s/setup-%zu",
			 b->dir, i);
		r = add(b, argv, "--customize-hook=", hook);
	}
	/*
	 * What installing and setting up have left; mmdebstrap's own files there it still needs, and removes
	 * by itself.
	 */
	return r < 0 ? r
		     : add(b, argv, "--customize-hook=",
			   "find \"$1/tmp\" \"$1/var/tmp\" -mindepth 1 -maxdepth 1 ! -name 'mmdebstrap*' "
			   "-exec rm -rf {} +; "
			   "rm -rf \"$1/root/.cache\"");
}

static int add_sources(struct build *b, char ***argv)
{
	const char *suite = b->recipe->suite,
		   *mirror = b->make->mirror && *b->make->mirror ? b->make->mirror : NULL;
	bool backports = strcmp(suite, "bookworm-backports") == 0;
	char line[512];
	int r;

	r = add(b, argv, "", backports ? "bookworm" : suite);
	if (r == 0)
		r = add(b, argv, "", "-");
	if (r == 0 && mirror) {
		snprintf(line, sizeof(line), "deb %.400s %s main", mirror, backports ? "bookworm" : suite);
		r = add(b, argv, "", line);
	} else if (r == 0 && backports) {
		r = add(b, argv, "", "deb " MIRROR " bookworm main");
	}
	if (r == 0 && backports) {
		snprintf(line, sizeof(line), "deb %.400s bookworm-backports main", mirror ? mirror : MIRROR);
		r = add(b, argv, "", line);
	}
	return r;
}

static int make_arguments(struct build *b, char ***argv)
{
	AUTO_FREE char *packages = joined(b->recipe->packages, "");
	int r = packages ? add(b, argv, "", "mmdebstrap") : err_set(b->err, -ENOMEM, "build an image");

	if (r == 0)
		r = add(b, argv, "--mode=", geteuid() == 0 ? "root" : "unshare");
	if (r == 0)
		r = add(b, argv, "", "--variant=minbase");
	if (r == 0)
		r = add(b, argv, "", "--format=tar");
	if (r == 0)
		r = add(b, argv, "", "--aptopt=Acquire::Retries \"3\"");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(dpkg_options); i++)
		r = add(b, argv, "", dpkg_options[i]);
	if (r == 0 && *packages)
		r = add(b, argv, "--include=", packages);
	if (r == 0 && strcmp(b->recipe->suite, "bookworm-backports") == 0)
		r = add(b, argv, "", "--aptopt=APT::Default-Release \"bookworm-backports\"");
	if (r == 0)
		r = add_host_settings(b, argv);
	if (r == 0)
		r = add_hooks(b, argv);
	return r == 0 ? add_sources(b, argv) : r;
}

static int run_mmdebstrap(struct build *b, struct image_work *work)
{
	AUTO_FREE char *temporary = NULL;
	char *env[2] = { NULL, NULL };
	char **argv = NULL;
	struct program_spec spec = { .env = env, .takes_stdout = true, .contained = true };
	const struct make_watch watch = { .make = b->make, .program = &b->program, .tick = tick, .user = b };
	int r;

	if (asprintf(&temporary, "TMPDIR=%s", b->dir) < 0)
		return err_set(b->err, -ENOMEM, "build an image");
	env[0] = temporary;
	r = make_arguments(b, &argv);
	spec.argv = (const char *const *)argv;
	b->phase = "starting";
	if (r == 0)
		r = program_start(&spec, &b->program, b->err);
	strv_free(argv);
	if (r < 0)
		return r;
	b->program.name = "mmdebstrap";
	b->program.on_line = on_line;
	b->program.user = b;
	return make_unpack_program(&watch, image_work_root_fd(work), b->err);
}

static int describe(const struct recipe *recipe, struct image *image, struct err *err)
{
	AUTO_FREE char *packages = joined(recipe->packages, "");

	if (!packages ||
	    asprintf(&image->source, "debian %s: %.2000s", recipe->suite, *packages ? packages : "-") < 0) {
		image->source = NULL;
		return err_set(err, -ENOMEM, "build an image");
	}
	if (recipe->env) {
		image->env = strv_copy(recipe->env);
		if (!image->env)
			return err_set(err, -ENOMEM, "build an image");
	}
	return 0;
}

static int build(const struct image_make *make, const struct recipe *recipe, const char *beside,
		 struct image *ret, struct err *err)
{
	struct build b = { .make = make, .recipe = recipe, .beside = beside, .dir_fd = -1, .err = err };
	struct image_work *work;
	int r = image_work_begin(make->store, &work, err);

	if (r < 0)
		return r;
	r = image_work_elsewhere(work, &b.dir, err);
	if (r == 0) {
		b.dir_fd = open(b.dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = b.dir_fd < 0 ? err_set(err, -errno, "open '%s'", b.dir) : 0;
	}
	if (r == 0)
		r = write_scripts(&b);
	if (r == 0)
		r = pack_stage(&b);
	if (r == 0)
		r = run_mmdebstrap(&b, work);
	if (r == 0)
		r = describe(recipe, ret, err);
	if (r == 0)
		r = make_commit(make, work, ret, err);
	cleanup_close(&b.dir_fd);
	image_work_end(work);
	return r;
}

static char *recipe_path(const char *recipes_dir, const char *recipe)
{
	char *path;

	if (strchr(recipe, '/'))
		return strdup(recipe);
	return asprintf(&path, "%s/%s.yaml", recipes_dir, recipe) < 0 ? NULL : path;
}

int image_recipe_names(const char *recipes_dir, char ***ret, struct err *err)
{
	AUTO_CLOSE int dir_fd = open(recipes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char **files = NULL;
	int r = dir_fd < 0 ? 0 : tree_names(dir_fd, &files);

	for (size_t i = 0; r == 0 && files && files[i]; i++) {
		size_t len = strlen(files[i]), suffix = strlen(".yaml");

		if (len > suffix && strcmp(files[i] + len - suffix, ".yaml") == 0)
			r = strv_append(ret, files[i], len - suffix);
	}
	strv_free(files);
	return r < 0 ? err_set(err, r, "list the recipes in '%s'", recipes_dir) : 0;
}

bool image_make_has_recipe(const char *recipes_dir, const char *name)
{
	AUTO_FREE char *path = strchr(name, '/') ? NULL : recipe_path(recipes_dir, name);

	return path && access(path, R_OK) == 0;
}

int image_make_build(const struct image_make *make, const char *recipe, struct image *ret, struct err *err)
{
	AUTO_FREE char *path = recipe_path(make->recipes_dir, recipe), *beside = NULL;
	struct recipe read;
	int r;

	*ret = (struct image){ 0 };
	if (!path)
		return err_set(err, -ENOMEM, "build an image");
	if (access(path, R_OK) < 0 && errno == ENOENT)
		return err_refuse(err, ERR_UNKNOWN, "recipe_unknown", "name",
				  "there is no recipe '%.128s' (%s)", recipe, path);
	r = recipe_load(path, &read, err);
	if (r == 0)
		r = image_name_canonical(read.name, &ret->name, err);
	beside = strdup(path);
	if (r == 0 && !beside)
		r = err_set(err, -ENOMEM, "build an image");
	if (r == 0) {
		*strrchr(beside, '/') = '\0';
		r = build(make, &read, beside, ret, err);
		if (r < 0)
			err_wrap(err, r, "build image '%s'", read.name);
	}
	recipe_finish(&read);
	return r;
}
