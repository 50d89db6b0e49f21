/*
 * Listening sockets are ours, not MHD's: several addresses on one daemon, a refusal in words when the house
 * is full, and a plan for the day when descriptors run out.
 */
#include "http/http_priv.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ACCEPT_BATCH	    64
#define ADDRESS_IN_USE_MS   3000
#define ADDRESS_IN_USE_STEP 50
#define ACCEPT_PAUSE_MS	    100

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static bool port_parse(const char *text, uint16_t *ret)
{
	unsigned value = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
	}
	*ret = (uint16_t)value;
	return value <= UINT16_MAX;
}

static bool address_parse(const char *text, union address *ret, socklen_t *ret_len)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t len;
	uint16_t port;

	if (!colon || !port_parse(colon + 1, &port))
		return false;
	len = (size_t)(colon - text);
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';

	memset(ret, 0, sizeof(*ret));
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		ret->in6.sin6_family = AF_INET6;
		ret->in6.sin6_port = htons(port);
		*ret_len = sizeof(ret->in6);
		return inet_pton(AF_INET6, host + 1, &ret->in6.sin6_addr) == 1;
	}
	ret->in.sin_family = AF_INET;
	ret->in.sin_port = htons(port);
	*ret_len = sizeof(ret->in);
	return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &ret->in.sin_addr) ==
	       1;
}

int http_address_check(const char *address, struct err *err)
{
	union address a;
	socklen_t len;

	if (address_parse(address, &a, &len))
		return 0;
	return err_refuse(err, ERR_MALFORMED, "config_invalid", "listen",
			  "'%.128s' is not an address to listen on, such as 127.0.0.1:4597 or [::1]:4597",
			  address);
}

bool http_address_is_loopback(const char *address)
{
	union address a;
	socklen_t len;

	if (!address_parse(address, &a, &len))
		return false;
	if (a.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a.in6.sin6_addr);
	return ntohl(a.in.sin_addr.s_addr) >> 24 == 127;
}

/* A predecessor may be dying right now with the address still its own. */
static int bind_patiently(int fd, const union address *a, socklen_t len)
{
	const struct timespec step = { .tv_nsec = ADDRESS_IN_USE_STEP * 1000000L };

	for (int waited = 0;; waited += ADDRESS_IN_USE_STEP) {
		if (bind(fd, &a->any, len) == 0 && listen(fd, SOMAXCONN) == 0)
			return 0;
		if (errno != EADDRINUSE || waited >= ADDRESS_IN_USE_MS)
			return -errno;
		nanosleep(&step, NULL);
	}
}

static int listener_socket(const union address *a, socklen_t len, int *ret_fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_REUSEADDR, 1 },
		/* Inherited by accepted sockets: a client whose machine died is found out in about a minute.
		 */
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 30 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 10 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
	};
	const int one = 1;
	AUTO_CLOSE int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int)) < 0)
			return -errno;
	}
	if (a->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return -errno;
	r = bind_patiently(fd, a, len);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Full: the client is told so, and when to come again. */
static void refuse(struct http_server *server, int fd)
{
	server->stats.connections_refused++;
	http_farewell_send(server, fd, 503);
	http_linger_start(server, fd);
}

/* Out of descriptors: the reserve makes room to take one client and close it, so that it does not wait in
 * vain. */
static void accept_failed(struct http_server *server, int listen_fd, int error)
{
	int fd;

	if (error == EAGAIN || error == EINTR || error == ECONNABORTED)
		return;
	server->stats.connections_refused++;
	if (error == EMFILE && server->reserve_fd >= 0) {
		close(server->reserve_fd);
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			http_farewell_send(server, fd, 503);
			close(fd);
		}
		server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (server->reserve_fd >= 0)
			return;
	}
	http_listeners_pause(server, ACCEPT_PAUSE_MS);
}

static void accept_some(struct http_listener *l)
{
	struct http_server *server = l->server;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		union address peer;
		socklen_t len = sizeof(peer);
		int fd = accept4(l->fd, &peer.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			int error = errno;

			accept_failed(server, l->fd, error);
			if (error == ECONNABORTED || error == EINTR)
				continue;
			return;
		}
		if (server->stats.connections_open >= server->options.connections) {
			refuse(server, fd);
			continue;
		}
		server->stats.connections_accepted++;
		http_greeting_start(server, fd, &peer.any, len);
	}
}

static void listener_readable(uv_poll_t *handle, int status, int events)
{
	accept_some(handle->data);
}

static void listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static bool any_address(const union address *a)
{
	return a->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr)
					    : a->in.sin_addr.s_addr == INADDR_ANY;
}

/* `own` is that of a connection, `bound` of the listener. */
static bool same_address(const union address *own, const union address *bound)
{
	if (own->any.sa_family != bound->any.sa_family)
		return false;
	if (own->any.sa_family == AF_INET6)
		return own->in6.sin6_port == bound->in6.sin6_port &&
		       (any_address(bound) || IN6_ARE_ADDR_EQUAL(&own->in6.sin6_addr, &bound->in6.sin6_addr));
	return own->in.sin_port == bound->in.sin_port &&
	       (any_address(bound) || own->in.sin_addr.s_addr == bound->in.sin_addr.s_addr);
}

const char *http_listener_prefix(const struct http_server *server, int fd)
{
	const struct http_listener *found = NULL;
	union address own;
	socklen_t len = sizeof(own);

	if (getsockname(fd, &own.any, &len) < 0)
		return NULL;
	/* Of two that could have taken it, the one with an address of its own did. */
	for (const struct http_listener *l = server->listeners; l; l = l->next) {
		union address bound;

		memcpy(&bound, &l->address, sizeof(bound));
		if (same_address(&own, &bound) && (!found || !any_address(&bound)))
			found = l;
	}
	return found ? found->prefix : NULL;
}

int http_server_listen(struct http_server *server, const char *address, const char *prefix, struct err *err)
{
	union address a;
	socklen_t len;
	AUTO_FREE struct http_listener *l = NULL;
	AUTO_CLOSE int fd = -1;
	int r;

	r = http_address_check(address, err);
	if (r < 0)
		return r;
	(void)address_parse(address, &a, &len);
	r = listener_socket(&a, len, &fd);
	if (r < 0)
		return err_set(err, r, "listen on %s", address);
	if (getsockname(fd, &a.any, &len) < 0)
		return err_set(err, -errno, "listen on %s", address);
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, -ENOMEM, "listen on %s", address);
	r = uv_poll_init(server->loop, &l->poll, fd);
	if (r < 0)
		return err_set(err, r, "listen on %s", address);

	l->prefix = prefix;
	memcpy(&l->address, &a, sizeof(a));
	l->server = server;
	l->fd = TAKE_FD(fd);
	l->poll.data = l;
	l->next = server->listeners;
	server->listeners = l;
	server->port = ntohs(a.any.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
	uv_poll_start(&TAKE_PTR(l)->poll, UV_READABLE, listener_readable);
	return 0;
}

void http_listeners_pause(struct http_server *server, unsigned ms)
{
	server->accept_again_ms = http_now_ms(server) + ms;
	for (struct http_listener *l = server->listeners; l; l = l->next)
		uv_poll_stop(&l->poll);
	http_server_sweep_start(server);
}

void http_listeners_resume(struct http_server *server)
{
	server->accept_again_ms = 0;
	for (struct http_listener *l = server->listeners; l; l = l->next)
		uv_poll_start(&l->poll, UV_READABLE, listener_readable);
}

void http_listeners_accept(struct http_server *server)
{
	for (struct http_listener *l = server->listeners; l; l = l->next)
		accept_some(l);
}

void http_listeners_close(struct http_server *server)
{
	while (server->listeners) {
		struct http_listener *l = server->listeners;

		server->listeners = l->next;
		uv_close((uv_handle_t *)&l->poll, listener_closed);
		close(l->fd);
	}
	server->accept_again_ms = 0;
}
