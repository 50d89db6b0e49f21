#include "api_fixture.h"
#include "store_fixture.h"

#include "session/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct client {
	struct client *next;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct buf request, received;
	struct answer answer;
	bool ended, closed;
	char chunk[65536];
};

static void do_show(struct fake_process *p)
{
	size_t len = 0;
	const void *data = fake_process_file(p, fake_process_argv(p)[1], &len);

	assert_non_null(data);
	fake_process_print(p, 1, data, len);
	fake_process_exit(p, 0);
}

static void do_false(struct fake_process *p)
{
	fake_process_exit(p, 1);
}

static void do_hang(struct fake_process *p)
{
}

/* write NAME TEXT */
static void do_write(struct fake_process *p)
{
	char *const *argv = fake_process_argv(p);

	fake_process_write(p, argv[1], argv[2], strlen(argv[2]), 0644);
	fake_process_exit(p, 0);
}

static void do_remove(struct fake_process *p)
{
	fake_process_remove(p, fake_process_argv(p)[1]);
	fake_process_exit(p, 0);
}

static void do_true(struct fake_process *p)
{
	fake_process_exit(p, 0);
}

static const struct fake_program programs[] = {
	{ "write", do_write },
	{ "remove", do_remove },
	{ "true", do_true },
	{ "show", do_show },
	{ "false", do_false },
	{ "hang", do_hang },
	{ NULL },
};

static const char *const unenforced[] = { "memory_bytes", NULL };

static void node_facts(void *user, struct api_node_facts *ret)
{
	*ret = (struct api_node_facts){ .cgroup_version = 2, .rootless = true };
}

static bool exists(void *user, const char *path)
{
	return true;
}

static void load_languages(struct fixture *f)
{
	static const char yaml[] =
		"id: fake\nname: Fake\nversion: \"1.0\"\nimage: host\nsource_file: main.fk\n"
		"extensions: [fk]\nrequires: [/bin/sh]\nrun:\n  command: [show, \"{entry}\"]\n"
		"hello: |\n  Hello, World!\necho: |\n  none\n";
	char dir[] = "/tmp/kiln-test-XXXXXX";
	char path[64];
	struct err err = ERR_INIT;
	FILE *file;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fake.yaml", dir);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(yaml, file) >= 0);
	fclose(file);
	if (language_registry_load(dir, &f->languages, &err) < 0)
		fail_msg("%s", err.text);
	language_registry_probe(f->languages, "host", exists, NULL);
	unlink(path);
	rmdir(dir);
}

static void start_server(struct fixture *f)
{
	struct api_options options = {
		.engine = f->engine,
		.languages = f->languages,
		.config = &f->config,
		.node_facts = node_facts,
		.sessions = f->store,
		.loop = f->store ? &f->loop : NULL,
	};
	static const struct http_token tokens[] = { { "a", "token-of-a" }, { "b", "token-of-b" } };
	struct http_options http = { .tokens = tokens,
				     .tokens_count = 2,
				     .body_bytes = 1 << 20,
				     .connections = 64,
				     .idle_ms = 60000,
				     .header_ms = 20000 };

	assert_int_equal(api_create(&options, &f->api, NULL), 0);
	assert_int_equal(api_start(f->api, NULL), 0);
	http.routes = api_routes(&http.routes_count);
	http.user = f->api;
	assert_int_equal(http_server_create(&f->loop, &http, &f->server, NULL), 0);
	assert_int_equal(http_server_listen(f->server, "127.0.0.1:0", NULL, NULL), 0);
	api_set_server(f->api, f->server);
}

static struct fixture *fixture_make(void)
{
	static const struct fake_options options = { .programs = programs, .unenforced = unenforced };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(engine_fake_create(&f->loop, &options, &f->engine, NULL), 0);
	f->config.parallel = 1;
	f->config.queue = 2;
	f->token = "token-of-a";
	for (int i = 0; i < LIMIT_COUNT; i++)
		f->config.ceilings.value[i] = limit_table[i].default_ceiling;
	load_languages(f);
	return f;
}

int api_fixture_setup(void **state)
{
	struct fixture *f = fixture_make();

	start_server(f);
	*state = f;
	return 0;
}

static void open_store(struct fixture *f)
{
	const struct store_options options = { .dir = f->store_dir, .bytes_max = 1 << 24 };

	assert_int_equal(session_store_open(&options, &f->store, NULL), 0);
}

int api_fixture_setup_sessions(void **state)
{
	struct fixture *f = fixture_make();
	char dir[] = "/tmp/kiln-test-XXXXXX";

	assert_non_null(mkdtemp(dir));
	f->store_dir = strdup(dir);
	f->config.parallel = 3;
	f->config.sessions = 2;
	f->config.sessions_memory_bytes = 1LL << 40;
	f->config.sessions_ttl_ms = 24 * 3600 * 1000;
	f->config.sessions_keep_ms = 3600 * 1000;
	open_store(f);
	start_server(f);
	*state = f;
	return 0;
}

/* Until the last closing callbacks of the server have run. */
static void stop_server(struct fixture *f)
{
	http_server_destroy(f->server);
	assert_int_equal(api_runs_open(f->api), 0);
	api_destroy(f->api);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

void api_fixture_lose(struct fixture *f)
{
	static const struct fake_options options = { .programs = programs, .unenforced = unenforced };

	stop_server(f);
	f->engine->v->destroy(f->engine);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(engine_fake_create(&f->loop, &options, &f->engine, NULL), 0);
	session_store_close(f->store);
	open_store(f);
	start_server(f);
}

void api_fixture_restart(struct fixture *f, bool in_good_order)
{
	if (in_good_order)
		api_drain(f->api);
	while (in_good_order && !api_drained(f->api))
		uv_run(&f->loop, UV_RUN_ONCE);
	stop_server(f);
	engine_fake_change_front(f->engine);
	session_store_close(f->store);
	open_store(f);
	start_server(f);
}

static void remove_store(struct fixture *f)
{
	session_store_close(f->store);
	if (f->store_dir)
		store_remove(f->store_dir);
	free(f->store_dir);
}

static void on_closed(uv_handle_t *handle)
{
	((struct client *)handle->data)->closed = true;
}

static void hang_up(struct client *client)
{
	client->ended = true;
	if (!uv_is_closing((uv_handle_t *)&client->tcp))
		uv_close((uv_handle_t *)&client->tcp, on_closed);
}

int api_fixture_teardown(void **state)
{
	struct fixture *f = *state;

	stop_server(f);
	remove_store(f);
	assert_int_equal(f->engine->v->sandbox_count(f->engine), 0);
	f->engine->v->destroy(f->engine);
	language_registry_destroy(f->languages);
	for (struct client *client = f->clients; client; client = client->next)
		hang_up(client);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	while (f->clients) {
		struct client *client = f->clients;

		f->clients = client->next;
		assert_true(client->closed);
		buf_finish(&client->request);
		buf_finish(&client->received);
		json_decref(client->answer.json);
		free(client);
	}
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct client *client = handle->data;

	*ret = uv_buf_init(client->chunk, sizeof(client->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
	struct client *client = stream->data;

	if (n > 0)
		assert_int_equal(buf_append(&client->received, data->base, (size_t)n), 0);
	else if (n < 0)
		hang_up(client);
}

static void on_connect(uv_connect_t *connect, int status)
{
	struct client *client = connect->data;
	uv_buf_t data = uv_buf_init((char *)client->request.data, (unsigned)client->request.len);

	if (status < 0)
		return;
	assert_int_equal(uv_read_start((uv_stream_t *)&client->tcp, on_alloc, on_read), 0);
	assert_int_equal(uv_write(&client->write, (uv_stream_t *)&client->tcp, &data, 1, NULL), 0);
}

struct client *api_fixture_send(struct fixture *f, const char *method, const char *path, const char *type,
				const void *body, size_t len)
{
	struct client *client = calloc(1, sizeof(*client));
	struct sockaddr_in address;

	assert_non_null(client);
	client->next = f->clients;
	f->clients = client;
	client->request = client->received = BUF_INIT(1 << 24);
	assert_int_equal(buf_printf(&client->request,
				    "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method,
				    path),
			 0);
	if (f->token)
		assert_int_equal(buf_printf(&client->request, "Authorization: Bearer %s\r\n", f->token), 0);
	if (type)
		assert_int_equal(buf_printf(&client->request, "Content-Type: %s\r\n", type), 0);
	if (body)
		assert_int_equal(buf_printf(&client->request, "Content-Length: %zu\r\n", len), 0);
	assert_int_equal(buf_append_str(&client->request, "\r\n"), 0);
	assert_int_equal(buf_append(&client->request, body, len), 0);

	assert_int_equal(uv_tcp_init(&f->loop, &client->tcp), 0);
	client->tcp.data = client->connect.data = client;
	assert_int_equal(uv_ip4_addr("127.0.0.1", (int)http_server_port(f->server), &address), 0);
	assert_int_equal(
		uv_tcp_connect(&client->connect, &client->tcp, (struct sockaddr *)&address, on_connect), 0);
	return client;
}

struct answer *api_fixture_wait(struct fixture *f, struct client *client)
{
	struct answer *answer = &client->answer;
	const char *body;

	while (!client->ended)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(client->received.len > 12);
	answer->text = (char *)client->received.data;
	assert_memory_equal(answer->text, "HTTP/1.1 ", 9);
	for (int i = 9; i < 12; i++)
		answer->status = answer->status * 10 + (unsigned)(answer->text[i] - '0');
	body = strstr(answer->text, "\r\n\r\n");
	assert_non_null(body);
	answer->json = json_loads(body + 4, 0, NULL);
	return answer;
}

void api_fixture_hang_up(struct fixture *f, struct client *client)
{
	hang_up(client);
}

struct answer *api_fixture_get(struct fixture *f, const char *path)
{
	return api_fixture_wait(f, api_fixture_send(f, "GET", path, NULL, NULL, 0));
}

struct answer *api_fixture_call(struct fixture *f, const char *method, const char *path, const char *body)
{
	return api_fixture_wait(f, api_fixture_send(f, method, path, body ? "application/json" : NULL, body,
						    body ? strlen(body) : 0));
}

struct answer *api_fixture_post(struct fixture *f, const char *path, const char *type, const char *body)
{
	return api_fixture_post_bytes(f, path, type, body, strlen(body));
}

struct answer *api_fixture_post_bytes(struct fixture *f, const char *path, const char *type, const void *body,
				      size_t len)
{
	return api_fixture_wait(f, api_fixture_send(f, "POST", path, type, body, len));
}

void api_fixture_until_open(struct fixture *f, size_t runs)
{
	while (api_runs_open(f->api) != runs)
		uv_run(&f->loop, UV_RUN_ONCE);
}
