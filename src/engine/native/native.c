#include "engine/native/native_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST_IMAGE "host"

/*
 * By its name, or by the name with the digest that results give it. A stored image is found anew each time, since its
 * name may have gone to another; from then on the run has it by its digest.
 */
static const char *native_image_find(struct engine *engine, const char *name)
{
	struct native *native = (struct native *)engine;

	if (!native->host.contained &&
	    (strcmp(name, HOST_IMAGE) == 0 || strcmp(name, native->host_image) == 0))
		return HOST_IMAGE;
	if (native->image_find &&
	    native->image_find(native->image_user, name, native->found_image, sizeof(native->found_image)))
		return native->found_image;
	return NULL;
}

static const char *native_image_digest_name(struct engine *engine, const char *name)
{
	const char *found = native_image_find(engine, name);

	return found && strcmp(found, HOST_IMAGE) == 0 ? ((struct native *)engine)->host_image : found;
}

static const char *const *native_unenforced(struct engine *engine)
{
	return ((struct native *)engine)->unenforced;
}

static bool native_healthy(struct engine *engine, char *why, size_t size)
{
	struct native *native = (struct native *)engine;

	if (native->link.lost)
		snprintf(why, size, "the keeper died");
	else if (native->unhealthy[0])
		snprintf(why, size, "%s", native->unhealthy);
	return !native->link.lost && !native->unhealthy[0];
}

static size_t native_sandbox_count(struct engine *engine)
{
	return ((struct native *)engine)->count;
}

/* An empty collection of a dead sandbox. */
static void tell_collected(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	sb->collect_pending = false;
	if (sb->files_lost)
		err_set(&err, -EPIPE, "the sandbox died, and its files with it");
	sb->events->collected(sb->user, sb->files_lost ? &err : NULL);
}

static void on_idle(uv_idle_t *idle)
{
	struct native *native = idle->data;
	struct sandbox *sb = native->pending;

	if (!sb) {
		uv_idle_stop(idle);
		return;
	}
	sandbox_forget_pending(sb);
	sandbox_enter(sb);
	if (sb->ready_pending) {
		sb->ready_pending = false;
		sb->events->ready(sb->user);
	} else if (sb->collect_pending) {
		tell_collected(sb);
	} else if (sb->kept_pending) {
		sandbox_hear_kept(sb);
	}
	sandbox_leave(sb);
}

void sandbox_tell_pending(struct sandbox *sb)
{
	struct native *native = sb->native;

	if (sb->pending)
		return;
	sb->pending = true;
	sb->next_pending = native->pending;
	native->pending = sb;
	uv_idle_start(&native->idle, on_idle);
}

void sandbox_forget_pending(struct sandbox *sb)
{
	struct sandbox **link = &sb->native->pending;

	if (!sb->pending)
		return;
	while (*link != sb)
		link = &(*link)->next_pending;
	*link = sb->next_pending;
	sb->pending = false;
}

void sandboxes_leave(struct native *native)
{
	struct sandbox *sb = native->leaving, *next;

	if (!sb)
		return;
	native->leaving = NULL;
	uv_prepare_stop(&native->behind);
	for (; sb; sb = next) {
		next = sb->next_leaving;
		sandbox_say_goodbye(sb);
	}
}

static void on_behind(uv_prepare_t *behind)
{
	sandboxes_leave(behind->data);
}

void sandbox_leave_later(struct sandbox *sb)
{
	struct native *native = sb->native;

	sb->next_leaving = native->leaving;
	native->leaving = sb;
	uv_prepare_start(&native->behind, on_behind);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct native *native = handle->data;

	native->handles--;
}

static void native_destroy(struct engine *engine)
{
	struct native *native = (struct native *)engine;

	if (!native)
		return;
	for (struct sandbox *sb = native->sandboxes; sb; sb = sb->next)
		sandbox_destroy((struct engine_sandbox *)(void *)sb);
	sandboxes_leave(native);
	sessions_clear(native);
	link_close(&native->link);
	uv_close((uv_handle_t *)&native->idle, on_handle_closed);
	uv_close((uv_handle_t *)&native->behind, on_handle_closed);
	patience_close(native);
	/* The keeper ends with its socket, after its last sandbox; nothing is left when we return. */
	while (native->keeper_pid > 0 && waitpid(native->keeper_pid, NULL, 0) < 0 && errno == EINTR)
		;
	while (native->handles)
		uv_run(native->loop, UV_RUN_ONCE);
	free(native);
}

static const struct engine_vtable vtable = {
	.name = "native",
	.sandbox_create = sandbox_create,
	.sandbox_adopt = sandbox_adopt,
	.sandbox_idle = sandbox_idle,
	.upload = sandbox_upload,
	.step_start = sandbox_step_start,
	.stdin_write = sandbox_stdin_write,
	.stdin_eof = sandbox_stdin_eof,
	.output_hold = sandbox_output_hold,
	.tty_resize = sandbox_tty_resize,
	.step_signal = sandbox_step_signal,
	.step_kill = sandbox_step_kill,
	.collect = sandbox_collect,
	.sandbox_destroy = sandbox_destroy,
	.image_find = native_image_find,
	.image_digest_name = native_image_digest_name,
	.unenforced = native_unenforced,
	.healthy = native_healthy,
	.sandbox_count = native_sandbox_count,
	.destroy = native_destroy,
	.session_open = session_open,
	.session_found = session_found,
	.session_take = session_take,
	.service_take = service_take,
	.session_prolong = session_prolong,
	.session_finish = session_finish,
	.session_weigh = session_weigh,
	.session_destroy = session_destroy,
};

static void learn_host(struct native *native, const struct keeper_hello *hello)
{
	size_t count = 0;

	memset(native->unenforced, 0, sizeof(native->unenforced));
	native->host = (struct native_host){
		.privileged = hello->privileged,
		.cgroup_version = hello->cgroup_version,
		.memory = hello->memory,
		.cpu = hello->cpu,
		.pids = hello->pids,
		.cpu_time = hello->cpu_time,
		.swap_limited = hello->swap_limited,
		.separate_uids = hello->separate_uids,
		.contained = hello->contained,
		.overlay = hello->overlay,
		.slots = hello->slots,
		.leftovers = hello->leftovers,
		.lost = hello->lost,
		.sessions = hello->sessions,
	};
	memcpy(native->host.cgroup_path, hello->cgroup_path, sizeof(native->host.cgroup_path));
	/* What is only watched stops programs, but not those that hide from the watchdog: it is not called enforced. */
	if (!hello->memory)
		native->unenforced[count++] = limit_table[LIMIT_MEMORY_BYTES].name;
	if (!hello->cpu_time)
		native->unenforced[count++] = limit_table[LIMIT_CPU_MS].name;
	if (!hello->cpu)
		native->unenforced[count++] = limit_table[LIMIT_CPU_PERCENT].name;
}

void native_host_changed(struct native *native, const struct keeper_message *message, int fd)
{
	struct keeper_hello hello = message->hello;

	hello.cgroup_path[sizeof(hello.cgroup_path) - 1] = '\0';
	learn_host(native, &hello);
	snprintf(native->unhealthy, sizeof(native->unhealthy), "%s",
		 !message->error     ? ""
		 : message->stage[0] ? message->stage
				     : "the engine's daemon is away");
	if (fd >= 0 && native->on_images)
		native->on_images(native->image_user, fd);
	else if (fd >= 0)
		close(fd);
	if (message->tag && native->on_looked)
		native->on_looked(native->on_looked_user, message->tag);
}

static int open_loop_handles(struct native *native, struct err *err)
{
	int r;

	/* These two cannot fail. */
	uv_idle_init(native->loop, &native->idle);
	uv_prepare_init(native->loop, &native->behind);
	native->idle.data = native->behind.data = native;
	native->handles += 2;
	r = patience_open(native);
	if (r < 0)
		return err_set(err, r, "prepare the loop");
	return link_watch(&native->link, err);
}

int engine_native_create(uv_loop_t *loop, const struct native_options *options, struct engine **ret,
			 struct err *err)
{
	struct native *native = calloc(1, sizeof(*native));
	struct keeper_hello hello;
	int fd = options->keeper_fd;
	int r = 0;

	if (!native)
		return err_set(err, -ENOMEM, "the engine");
	native->v = vtable;
	native->v.name = options->name ? options->name : vtable.name;
	native->base.v = &native->v;
	native->on_images = options->on_images;
	native->loop = loop;
	native->image_find = options->image_find;
	native->image_user = options->user;
	if (fd < 0)
		r = keeper_start_child(options, &fd, &native->keeper_pid, err);
	if (r == 0)
		link_open(&native->link, native, fd);
	if (r == 0)
		r = link_hello(&native->link, &hello, err);
	if (r == 0)
		learn_host(native, &hello);
	if (r == 0 && hello.sessions_open)
		r = session_find_left(native, err);
	if (r < 0) {
		sessions_clear(native);
		if (fd >= 0)
			close(fd);
		if (native->keeper_pid > 0)
			waitpid(native->keeper_pid, NULL, 0);
		free(native);
		return r;
	}
	if (!native->host.contained)
		host_image_name(native->host_image, sizeof(native->host_image));
	r = open_loop_handles(native, err);
	if (r < 0) {
		native_destroy(&native->base);
		return r;
	}
	*ret = &native->base;
	return 0;
}

void engine_native_on_keeper_lost(struct engine *engine, void (*lost)(void *user), void *user)
{
	struct native *native = (struct native *)engine;

	native->on_lost = lost;
	native->on_lost_user = user;
}

void engine_native_on_looked(struct engine *engine, void (*looked)(void *user, uint32_t number), void *user)
{
	struct native *native = (struct native *)engine;

	native->on_looked = looked;
	native->on_looked_user = user;
}

uint32_t engine_native_look(struct engine *engine)
{
	struct native *native = (struct native *)engine;
	struct keeper_request request = { .op = KEEPER_LOOK, .tag = native->looks + 1 };

	if (native->looks == UINT32_MAX - 1 || link_send(&native->link, &request, NULL, NULL) < 0)
		return 0;
	return ++native->looks;
}

void engine_native_keeper_is(struct engine *engine, pid_t pid)
{
	((struct native *)engine)->keeper_pid = pid;
}

const struct native_host *engine_native_host(const struct engine *engine)
{
	return &((const struct native *)engine)->host;
}
