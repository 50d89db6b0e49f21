#include "bench/job.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strv.h"
#include "bench/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_MAX (64U << 20)

static int job_make(json_t *request, const char *label, struct job *ret, struct err *err)
{
	struct job job = { .label = strdup(label) };

	job.body = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (!job.body || !job.label) {
		job_finish(&job);
		return err_set(err, -ENOMEM, "out of memory");
	}
	job.body_len = strlen(job.body);
	*ret = job;
	return 0;
}

int job_of_command(const char *image, char *const *argv, size_t argc, struct job *ret, struct err *err)
{
	json_t *command = json_array();

	for (size_t i = 0; i < argc; i++)
		json_array_append_new(command, json_string(argv[i]));
	if (json_array_size(command) != argc) {
		json_decref(command);
		return err_set(err, -EINVAL, "a command that is not UTF-8");
	}
	return job_make(json_pack("{s:s, s:[{s:s, s:o}]}", "image", image, "steps", "name", "run", "command",
				  command),
			argv[0], ret, err);
}

int job_of_language(const struct language_registry *languages, const char *id, struct job *ret,
		    struct err *err)
{
	const struct language *language = language_find(languages, id, NULL);

	if (!language || !language->available)
		return err_set(err, -ENOENT, "language '%.60s' is not available here", id);
	if (!language->hello)
		return err_set(err, -ENOENT, "language '%.60s' has no hello program", id);
	return job_make(json_pack("{s:s, s:{s:s}}", "language", language->id, "files", language->source_file,
				  language->hello),
			language->id, ret, err);
}

static int file_read(const char *path, struct buf *ret, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "open '%s'", path);
	for (;;) {
		uint8_t *room = buf_reserve(ret, 65536);
		ssize_t n = room ? read(fd, room, 65536) : -1;

		if (n < 0 && room && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, room ? -errno : -EFBIG, "read '%s'", path);
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
	}
}

int job_of_file(const char *path, struct job *ret, struct err *err)
{
	AUTO_BUF struct buf body = BUF_INIT(BODY_MAX);
	const char *slash = strrchr(path, '/');
	struct job job = { 0 };
	int r = file_read(path, &body, err);

	if (r < 0)
		return r;
	job.label = strdup(slash ? slash + 1 : path);
	job.body = (char *)buf_take(&body, &job.body_len);
	if (!job.label || !job.body) {
		job_finish(&job);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*ret = job;
	return 0;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

void job_finish(struct job *job)
{
	if (job->dir)
		nftw(job->dir, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(job->body);
	free(job->label);
	free(job->dir);
	*job = (struct job){ 0 };
}

/* In memory where there is such a place, as a sandbox's folder is. */
static int dir_make(struct job *job, struct err *err)
{
	job->dir = strdup(access("/dev/shm", W_OK) == 0 ? "/dev/shm/kiln-bench-XXXXXX"
							: "/tmp/kiln-bench-XXXXXX");
	if (!job->dir)
		return err_set(err, -ENOMEM, "out of memory");
	if (!mkdtemp(job->dir)) {
		int r = err_set(err, -errno, "folder '%s'", job->dir);

		free(TAKE_PTR(job->dir));
		return r;
	}
	return 0;
}

/* Names were checked by request_parse(): they stay beneath the folder. */
static int file_write(const char *dir, const struct run_file *file, struct err *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;

	if (asprintf(&path, "%s/%s", dir, file->name) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (char *slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	if (file->is_dir)
		return mkdir(path, 0755) < 0 && errno != EEXIST ? err_set(err, -errno, "'%s'", path) : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
	if (fd < 0 || fd_write_all(fd, file->data, file->len) < 0)
		return err_set(err, -errno, "write '%s'", path);
	return 0;
}

/* The sandbox's home is not here. */
static int home_replace(char **envp, const char *dir, struct err *err)
{
	for (; *envp; envp++) {
		char *home = NULL;

		if (strncmp(*envp, "HOME=", 5) != 0)
			continue;
		if (asprintf(&home, "HOME=%s", dir) < 0)
			return err_set(err, -ENOMEM, "out of memory");
		free(*envp);
		*envp = home;
	}
	return 0;
}

static int bare_of_plan(struct job *job, struct run_plan *plan, struct subject **ret, struct err *err)
{
	AUTO_FREE struct exec_step *steps = calloc(plan->steps_count, sizeof(*steps));
	int r = steps ? dir_make(job, err) : err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 0; r >= 0 && i < plan->files_count; i++)
		r = file_write(job->dir, &plan->files[i], err);
	for (size_t i = 0; r >= 0 && i < plan->steps_count; i++) {
		r = home_replace(plan->steps[i].envp, job->dir, err);
		steps[i] = (struct exec_step){ plan->steps[i].argv, plan->steps[i].envp };
	}
	return r < 0 ? r : exec_create("bare", steps, plan->steps_count, job->dir, ret, err);
}

int job_bare(struct job *job, const struct plan_context *context, struct subject **ret, struct err *err)
{
	struct run_request request;
	struct run_plan *plan;
	int r = request_parse(job->body, job->body_len, &request_bounds_default, &request, err);

	if (r >= 0)
		r = plan_make(&request, context, &plan, err);
	request_finish(&request);
	if (r < 0)
		return r;
	r = bare_of_plan(job, plan, ret, err);
	plan_destroy(plan);
	return r;
}

const char *job_image_find(void *user, const char *name)
{
	return strcmp(name, "host") == 0 ? "host" : NULL;
}
