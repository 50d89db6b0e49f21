/*
 * See "Authentication" of the Docker Engine API for the header, and docker-credential-helpers for the protocol of the
 * helpers: the registry's name on stdin of `docker-credential-NAME get`, and JSON with Username and Secret on stdout.
 */
#include "engine/docker/credentials.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONFIG_MAX   (1u << 20)
#define ANSWER_MAX   65536u
#define HELPER_MS    20000
#define HELPER_BEGIN "docker-credential-"
#define TOKEN_USER   "<token>" /* a helper says so where the secret is an identity token */

/* ---- what they are for ---- */

void credentials_registry(const char *reference, char *ret, size_t size)
{
	size_t first = strcspn(reference, "/");
	bool registry =
		reference[first] == '/' && (memchr(reference, '.', first) || memchr(reference, ':', first) ||
					    strncmp(reference, "localhost/", 10) == 0);

	if (!registry || strncmp(reference, "docker.io/", 10) == 0)
		snprintf(ret, size, "%s", CREDENTIALS_HUB);
	else
		snprintf(ret, size, "%.*s", (int)first, reference);
}

/* ---- the header ---- */

/* JSON as base64 for URLs. */
static int header_of(json_t *document, char **ret, struct err *err)
{
	AUTO_FREE char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	*ret = text ? base64_encode(text, strlen(text), NULL) : NULL;
	for (char *c = *ret; c && *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	return *ret ? 0 : err_set(err, -ENOMEM, "credentials");
}

static int header_make(const char *registry, const char *user, const char *secret, bool is_token, char **ret,
		       struct err *err)
{
	if (is_token)
		return header_of(json_pack("{s:s, s:s}", "identitytoken", secret, "serveraddress", registry),
				 ret, err);
	return header_of(
		json_pack("{s:s, s:s, s:s}", "username", user, "password", secret, "serveraddress", registry),
		ret, err);
}

/* "auth" is base64 of "user:password". */
static int header_of_auth(const char *registry, const char *auth, char **ret, struct err *err)
{
	AUTO_FREE uint8_t *text = NULL;
	AUTO_FREE char *plain = NULL;
	size_t len;
	char *colon;
	int r;

	if (base64_decode(auth, strlen(auth), &text, &len) < 0 || memchr(text, '\0', len))
		return err_set(err, -EINVAL, "config.json: auth of '%.80s' is no base64", registry);
	plain = strndup((const char *)text, len);
	colon = plain ? strchr(plain, ':') : NULL;
	if (!plain)
		return err_set(err, -ENOMEM, "credentials");
	if (!colon)
		return err_set(err, -EINVAL, "config.json: auth of '%.80s' is not user:password", registry);
	*colon = '\0';
	r = header_make(registry, plain, colon + 1, false, ret, err);
	explicit_bzero(text, len);
	return r;
}

/* ---- config.json ---- */

/* As `docker login` has written it: by the registry, or with a scheme before and a path behind it. */
static const json_t *auth_of(const json_t *config, const char *registry)
{
	json_t *value;
	const char *key;

	json_object_foreach(json_object_get(config, "auths"), key, value)
	{
		const char *host = strstr(key, "://");
		size_t len;

		if (strcmp(key, registry) == 0)
			return value;
		host = host ? host + 3 : key;
		len = strcspn(host, "/");
		if (strlen(registry) == len && strncmp(host, registry, len) == 0)
			return value;
	}
	return NULL;
}

static bool is_helper(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

int credentials_read(const json_t *config, const char *registry, char **ret, char **ret_helper,
		     struct err *err)
{
	const char *helper =
		json_string_value(json_object_get(json_object_get(config, "credHelpers"), registry));
	const json_t *auth = auth_of(config, registry);
	const char *token = json_string_value(json_object_get(auth, "identitytoken"));
	const char *basic = json_string_value(json_object_get(auth, "auth"));

	*ret = *ret_helper = NULL;
	if (!json_is_object(config))
		return err_set(err, -EINVAL, "config.json is no object of JSON");
	if (!helper)
		helper = json_string_value(json_object_get(config, "credsStore"));
	if (helper && helper[0]) {
		if (!is_helper(helper))
			return err_set(err, -EINVAL, "config.json: '%.60s' is no name of a helper", helper);
		*ret_helper = strdup(helper);
		return *ret_helper ? 0 : err_set(err, -ENOMEM, "credentials");
	}
	if (token && token[0])
		return header_make(registry, "", token, true, ret, err);
	return basic && basic[0] ? header_of_auth(registry, basic, ret, err) : 0;
}

/* ---- helpers ---- */

static _Noreturn void execute_helper(const char *program, int in_fd, int out_fd)
{
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (dup2(in_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0 ||
	    dup2(null_fd, STDERR_FILENO) < 0)
		_exit(126);
	execlp(program, program, "get", (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Until its end, the bound or the deadline. */
static int read_answer(int fd, struct buf *ret)
{
	uint64_t end_ms = now_ms() + HELPER_MS, now;

	while ((now = now_ms()) < end_ms) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		uint8_t *to = buf_reserve(ret, 4096);
		ssize_t n;

		if (!to)
			return -EMSGSIZE;
		if (poll(&wait, 1, (int)(end_ms - now)) <= 0)
			continue;
		n = read(fd, to, 4096);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		ret->len += (size_t)n;
	}
	return -ETIMEDOUT;
}

/* Its exit status, or a negative errno. */
static int run_helper(const char *program, const char *registry, struct buf *ret)
{
	AUTO_CLOSE int in_read = -1, in_write = -1, out_read = -1, out_write = -1;
	int ends[2], status = 0, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in_read = ends[0];
	in_write = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	out_read = ends[0];
	out_write = ends[1];
	pid = fork();
	if (pid == 0)
		execute_helper(program, in_read, out_write);
	if (pid < 0)
		return -errno;
	cleanup_close(&out_write);
	cleanup_close(&in_read);
	out_write = in_read = -1;
	/* A name is shorter than a pipe; one that does not read it is told by its status. */
	(void)!write(in_write, registry, strlen(registry));
	cleanup_close(&in_write);
	in_write = -1;
	r = read_answer(out_read, ret);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

static int ask_helper(const char *helper, const char *registry, char **ret, struct err *err)
{
	AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
	char program[sizeof(HELPER_BEGIN) + 64];
	const char *user, *secret;
	json_t *json;
	int r;

	snprintf(program, sizeof(program), HELPER_BEGIN "%s", helper);
	r = run_helper(program, registry, &answer);
	if (r == 127)
		return 0;
	/* "credentials not found in native keychain", with a status that is not 0. */
	if (r > 0 && memmem(answer.data ?: (uint8_t *)"", answer.len, "not found", 9))
		return 0;
	if (r != 0)
		return err_set(err, r < 0 ? r : -EIO, "%s does not say the credentials of '%.80s'", program,
			       registry);
	json = json_loadb((const char *)answer.data, answer.len, 0, NULL);
	user = json_string_value(json_object_get(json, "Username"));
	secret = json_string_value(json_object_get(json, "Secret"));
	if (user && secret)
		r = header_make(registry, user, secret, strcmp(user, TOKEN_USER) == 0, ret, err);
	else
		r = err_set(err, -EIO, "%s has answered with something else than credentials", program);
	json_decref(json);
	explicit_bzero(answer.data, answer.len);
	return r;
}

/* ---- all of it ---- */

static char *config_path(const char *folder)
{
	const char *home = getenv("HOME");
	const struct passwd *user;
	char *path;

	if (!folder || !folder[0])
		folder = getenv("DOCKER_CONFIG");
	if (folder && folder[0])
		return asprintf(&path, "%s/config.json", folder) < 0 ? NULL : path;
	user = home && home[0] ? NULL : getpwuid(geteuid());
	if (!home || !home[0])
		home = user ? user->pw_dir : "/";
	return asprintf(&path, "%s/.docker/config.json", home) < 0 ? NULL : path;
}

static int load(const char *path, json_t **ret, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT(CONFIG_MAX);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 1;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_set(err, -errno, "open '%.200s'", path);
	while (n > 0) {
		uint8_t *to = buf_reserve(&text, 4096);

		if (!to)
			return err_set(err, -EFBIG, "'%.200s' is larger than a configuration of Docker",
				       path);
		n = read(fd, to, 4096);
		text.len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		return err_set(err, -errno, "read '%.200s'", path);
	*ret = json_loadb((const char *)text.data, text.len, 0, NULL);
	return *ret ? 0 : err_set(err, -EINVAL, "'%.200s' is not JSON", path);
}

int credentials_find(const char *folder, const char *reference, char **ret, struct err *err)
{
	AUTO_FREE char *path = config_path(folder), *helper = NULL;
	char registry[256];
	json_t *config = NULL;
	int r = path ? load(path, &config, err) : err_set(err, -ENOMEM, "credentials");

	*ret = NULL;
	if (r < 0 || !config)
		return r;
	credentials_registry(reference, registry, sizeof(registry));
	r = credentials_read(config, registry, ret, &helper, err);
	json_decref(config);
	return r == 0 && helper ? ask_helper(helper, registry, ret, err) : r;
}
