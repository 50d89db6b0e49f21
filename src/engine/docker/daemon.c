/*
 * How it works: libcurl's multi interface tells which sockets it watches and when it wants to be woken; both
 * are libuv's here. Each watched socket has a uv_poll_t, made and closed as libcurl asks. Finished transfers
 * are looked for after every action, and called back from there: never from inside daemon_call().
 */
#include "engine/docker/daemon.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONNECT_MS	   5000L
#define PEM_MAX		   (1u << 20)
#define PROTOCOLS_ALLOWED  "http,https"
#define HEADER_API_VERSION "api-version:"
#define HEADER_PODMAN	   "libpod-api-version:"

struct daemon_call {
	struct daemon_transfer transfer;
	struct daemon *daemon;
	struct daemon_call *next, **link;
	CURL *easy;
	struct curl_slist *headers;
	struct buf answer;
	char api_version[16];
	bool podman;
	char error[CURL_ERROR_SIZE];
	daemon_fn done;
	void *user;
};

/* A socket that libcurl watches. */
struct watch {
	struct daemon *daemon;
	uv_poll_t poll;
	curl_socket_t fd;
};

/* ---- libcurl on libuv ---- */

static void finish_calls(struct daemon *daemon);

static void act(struct daemon *daemon, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(daemon->multi, fd, events, &running);
	finish_calls(daemon);
}

static void on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct daemon *daemon = user;

	/* Never from inside: 0 is the next turn of the loop. */
	if (timeout_ms < 0)
		uv_timer_stop(&daemon->timer);
	else
		uv_timer_start(&daemon->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	int flags =
		(events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);

	act(watch->daemon, watch->fd, status < 0 ? CURL_CSELECT_ERR : flags);
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;

	watch->daemon->handles--;
	free(watch);
}

static int watch_socket(struct daemon *daemon, curl_socket_t fd, struct watch **ret)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->daemon = daemon;
	watch->fd = fd;
	if (uv_poll_init(daemon->loop, &watch->poll, fd) < 0) {
		free(watch);
		return -ENOMEM;
	}
	watch->poll.data = watch;
	daemon->handles++;
	*ret = watch;
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct daemon *daemon = user;
	struct watch *watch = socket_user;
	int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

	if (what == CURL_POLL_REMOVE) {
		if (watch)
			uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
		curl_multi_assign(daemon->multi, fd, NULL);
		return 0;
	}
	if (!watch) {
		if (watch_socket(daemon, fd, &watch) < 0)
			return -1;
		curl_multi_assign(daemon->multi, fd, watch);
	}
	uv_poll_start(&watch->poll, events, on_socket);
	return 0;
}

/* ---- the address ---- */

static int read_pem(const char *path, struct buf *ret, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	ssize_t n = 1;

	*ret = BUF_INIT(PEM_MAX);
	if (!path || !path[0])
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open '%.200s'", path);
	while (n > 0) {
		uint8_t *to = buf_reserve(ret, 4096);

		if (!to)
			return err_set(err, -EFBIG, "'%.200s' is larger than a certificate", path);
		n = read(fd, to, 4096);
		if (n > 0)
			ret->len += (size_t)n;
	}
	return n < 0 ? err_set(err, -errno, "read '%.200s'", path) : 0;
}

static int parse_host(struct daemon *daemon, const char *host, bool tls, struct err *err)
{
	static const char unix_scheme[] = "unix://", tcp_scheme[] = "tcp://";
	int n;

	if (strncmp(host, unix_scheme, sizeof(unix_scheme) - 1) == 0 &&
	    host[sizeof(unix_scheme) - 1] == '/') {
		daemon->socket_path = strdup(host + sizeof(unix_scheme) - 1);
		n = asprintf(&daemon->base, "http://docker");
		if (n < 0)
			daemon->base = NULL;
		return daemon->socket_path && n > 0 ? 0 : err_set(err, -ENOMEM, "the daemon's address");
	}
	if (strncmp(host, tcp_scheme, sizeof(tcp_scheme) - 1) != 0 || !host[sizeof(tcp_scheme) - 1] ||
	    strpbrk(host + sizeof(tcp_scheme) - 1, "/@?# "))
		return err_set(err, -EINVAL,
			       "docker.host '%.200s' is neither unix:///path nor tcp://name:port", host);
	n = asprintf(&daemon->base, "%s://%s", tls ? "https" : "http", host + sizeof(tcp_scheme) - 1);
	if (n < 0)
		daemon->base = NULL;
	return n < 0 ? err_set(err, -ENOMEM, "the daemon's address") : 0;
}

int daemon_address(struct daemon *daemon, const struct docker_options *options, struct err *err)
{
	bool tls = (options->tls_ca && options->tls_ca[0]) || (options->tls_cert && options->tls_cert[0]);
	int r;

	*daemon = (struct daemon){ 0 };
	r = parse_host(daemon, options->host, tls, err);
	if (r == 0)
		r = read_pem(options->tls_ca, &daemon->ca, err);
	if (r == 0)
		r = read_pem(options->tls_cert, &daemon->cert, err);
	if (r == 0)
		r = read_pem(options->tls_key, &daemon->key, err);
	return r;
}

void daemon_address_finish(struct daemon *daemon)
{
	free(daemon->socket_path);
	free(daemon->base);
	daemon->socket_path = daemon->base = NULL;
	buf_finish(&daemon->ca);
	buf_finish(&daemon->cert);
	buf_finish(&daemon->key);
}

int daemon_open(struct daemon *daemon, uv_loop_t *loop, const struct docker_options *options, struct err *err)
{
	int r = daemon_address(daemon, options, err);

	if (r < 0)
		return r;
	daemon->loop = loop;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(daemon->multi = curl_multi_init()))
		return err_set(err, -ENOMEM, "libcurl");
	curl_multi_setopt(daemon->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(daemon->multi, CURLMOPT_SOCKETDATA, daemon);
	curl_multi_setopt(daemon->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(daemon->multi, CURLMOPT_TIMERDATA, daemon);
	curl_multi_setopt(daemon->multi, CURLMOPT_MAXCONNECTS, 16L);
	uv_timer_init(loop, &daemon->timer);
	daemon->timer.data = daemon;
	daemon->handles++;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	((struct daemon *)handle->data)->handles--;
}

void daemon_close(struct daemon *daemon)
{
	while (daemon->calls)
		daemon_call_forget(daemon->calls);
	if (daemon->multi) {
		curl_multi_cleanup(daemon->multi);
		uv_close((uv_handle_t *)&daemon->timer, on_timer_closed);
	}
	daemon->multi = NULL;
	daemon_address_finish(daemon);
}

static void set_blob(CURL *easy, CURLoption option, const struct buf *pem)
{
	struct curl_blob blob = { .data = pem->data, .len = pem->len, .flags = CURL_BLOB_COPY };

	if (pem->len)
		curl_easy_setopt(easy, option, &blob);
}

CURL *daemon_handle(const struct daemon *daemon)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	if (daemon->socket_path)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, daemon->socket_path);
	set_blob(easy, CURLOPT_CAINFO_BLOB, &daemon->ca);
	set_blob(easy, CURLOPT_SSLCERT_BLOB, &daemon->cert);
	set_blob(easy, CURLOPT_SSLKEY_BLOB, &daemon->key);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, PROTOCOLS_ALLOWED);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	return easy;
}

/* ---- calls ---- */

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
	struct daemon_call *call = user;

	/* Less than was given ends the transfer. */
	return buf_append(&call->answer, data, size * count) < 0 ? 0 : size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
	struct daemon_call *call = user;
	size_t len = size * count, name = sizeof(HEADER_API_VERSION) - 1, used = 0;

	if (len >= sizeof(HEADER_PODMAN) - 1 &&
	    strncasecmp(data, HEADER_PODMAN, sizeof(HEADER_PODMAN) - 1) == 0)
		call->podman = true;
	if (len < name || strncasecmp(data, HEADER_API_VERSION, name) != 0)
		return len;
	for (size_t i = name; i < len && used < sizeof(call->api_version) - 1; i++) {
		if ((data[i] >= '0' && data[i] <= '9') || data[i] == '.')
			call->api_version[used++] = data[i];
	}
	call->api_version[used] = '\0';
	return len;
}

static int set_request(struct daemon_call *call, const struct daemon_request *request)
{
	AUTO_FREE char *url = NULL;
	char type[128];
	CURL *easy = call->easy;

	if (asprintf(&url, "%s%s%s", call->daemon->base, request->unversioned ? "" : call->daemon->version,
		     request->path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	snprintf(type, sizeof(type), "Content-Type: %s",
		 request->content_type ? request->content_type : "application/json");
	call->headers = curl_slist_append(NULL, "Expect:");
	if (call->headers && request->body && !curl_slist_append(call->headers, type))
		return -ENOMEM;
	if (!call->headers || curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	if (request->body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		if (curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body) != CURLE_OK)
			return -ENOMEM;
	} else if (strcmp(request->method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "");
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, &call->transfer);
	return 0;
}

static void call_free(struct daemon_call *call)
{
	if (call->easy)
		curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	buf_finish(&call->answer);
	free(call);
}

static void call_unlink(struct daemon_call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
}

bool daemon_succeeded(const struct daemon_answer *answer)
{
	return answer->error == 0 &&
	       ((answer->status >= 200 && answer->status < 300) || answer->status == 304);
}

void daemon_words(char *to, size_t size, const char *from)
{
	size_t used = 0;

	for (; *from && used + 1 < size; from++)
		to[used++] = *from >= ' ' && *from < 0x7f ? *from : *from == '\n' ? ' ' : '?';
	to[used] = '\0';
}

static int errno_of(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -ECONNREFUSED;
	case CURLE_WRITE_ERROR:
		return -EMSGSIZE;
	default:
		return -EPIPE;
	}
}

static void describe_failure(const struct daemon_call *call, CURLcode code, struct daemon_answer *ret)
{
	const char *message = json_string_value(json_object_get(ret->json, "message"));
	char text[DAEMON_TEXT_MAX];

	if (code == CURLE_WRITE_ERROR)
		snprintf(text, sizeof(text), "the daemon's answer is longer than %zu bytes",
			 call->answer.max);
	else if (code != CURLE_OK)
		snprintf(text, sizeof(text), "the daemon does not answer: %.150s",
			 call->error[0] ? call->error : curl_easy_strerror(code));
	else if (message)
		snprintf(text, sizeof(text), "%.198s", message);
	else
		snprintf(text, sizeof(text), "the daemon answered with status %ld", ret->status);
	daemon_words(ret->text, sizeof(ret->text), text);
}

static void finish_call(struct daemon_transfer *transfer, CURLcode code)
{
	struct daemon_call *call = (struct daemon_call *)transfer;
	struct daemon_answer answer = { .api_version = call->api_version,
					.podman = call->podman,
					.body = call->answer.data,
					.body_len = call->answer.len };
	json_t *json = NULL;

	if (code == CURLE_OK) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &answer.status);
		call->daemon->alive_ms = uv_now(call->daemon->loop);
	} else {
		answer.error = errno_of(code);
	}
	if (code == CURLE_OK && call->answer.len)
		json = json_loadb((const char *)call->answer.data, call->answer.len, JSON_DECODE_ANY, NULL);
	answer.json = json;
	if (!daemon_succeeded(&answer))
		describe_failure(call, code, &answer);
	call_unlink(call);
	curl_multi_remove_handle(call->daemon->multi, call->easy);
	call->done(call->user, &answer);
	json_decref(json);
	call_free(call);
}

struct daemon_call *daemon_call(struct daemon *daemon, const struct daemon_request *request, daemon_fn done,
				void *user, struct err *err)
{
	struct daemon_call *call = calloc(1, sizeof(*call));

	if (call) {
		call->transfer.finished = finish_call;
		call->daemon = daemon;
		call->done = done;
		call->user = user;
		call->answer = BUF_INIT(request->answer_max);
		call->easy = daemon_handle(daemon);
	}
	if (!call || !call->easy || set_request(call, request) < 0 ||
	    curl_multi_add_handle(daemon->multi, call->easy) != CURLM_OK) {
		if (call)
			call_free(call);
		err_set(err, -ENOMEM, "ask the daemon");
		return NULL;
	}
	call->next = daemon->calls;
	call->link = &daemon->calls;
	if (call->next)
		call->next->link = &call->next;
	daemon->calls = call;
	return call;
}

void daemon_call_forget(struct daemon_call *call)
{
	if (!call)
		return;
	call_unlink(call);
	curl_multi_remove_handle(call->daemon->multi, call->easy);
	call_free(call);
}

static void finish_calls(struct daemon *daemon)
{
	CURLMsg *message;
	int left;

	while (daemon->multi && (message = curl_multi_info_read(daemon->multi, &left))) {
		struct daemon_transfer *transfer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		transfer->finished(transfer, message->data.result);
	}
}
