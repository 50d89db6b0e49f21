#include "engine/mixed/mixed.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WHY_MAX 120 /* of each part */

struct mixed {
	struct engine base;
	struct engine_vtable vtable;
	struct engine *native, *docker;
	const struct docker_images *images;
	const char *unenforced[LIMIT_COUNT + 1];
};

static struct mixed *of(struct engine *engine)
{
	return (struct mixed *)engine;
}

/* Of kiln's own store, or the host's; NULL: there is none, or a rule says that its name is not to run natively. */
static const char *find_native(const struct mixed *m, const char *name)
{
	const char *found = m->native->v->image_find(m->native, name);

	if (found && engine_rules_choose(m->images->rules, found).kind == ENGINE_KIND_DOCKER)
		return NULL;
	return found;
}

static const char *mixed_image_find(struct engine *engine, const char *name)
{
	struct mixed *m = of(engine);
	const char *native = find_native(m, name);

	if (docker_images_take(m->images, name, native != NULL))
		return m->docker->v->image_find(m->docker, name);
	return native;
}

static struct engine *mixed_part_of(struct engine *engine, const char *image)
{
	struct mixed *m = of(engine);
	const json_t *found = docker_images_by_digest(m->images, image);

	return found && docker_image_choice(m->images->rules, m->images->host, found).kind !=
				       ENGINE_KIND_NATIVE
		       ? m->docker
		       : m->native;
}

static struct engine *mixed_part(struct engine *engine, size_t index)
{
	struct mixed *m = of(engine);

	return index == 0 ? m->native : index == 1 ? m->docker : NULL;
}

static const char *mixed_image_digest_name(struct engine *engine, const char *name)
{
	struct engine *part = mixed_part_of(engine, name);

	return part->v->image_digest_name(part, name);
}

static int mixed_sandbox_create(struct engine *engine, const struct engine_sandbox_spec *spec,
				const struct engine_events *events, void *user, struct engine_sandbox **ret,
				struct err *err)
{
	struct engine *part = mixed_part_of(engine, spec->image);

	/* A session is one engine's; files alone need no image. */
	if (spec->session && spec->member != ENGINE_MEMBER_FILES && part != spec->session->engine)
		return err_set(err, -ENOTSUP, "image '%.128s' runs in another engine than the session",
			       spec->image);
	if (spec->session)
		part = spec->session->engine;
	return part->v->sandbox_create(part, spec, events, user, ret, err);
}

/* What only one of them cannot enforce is not promised for the node. */
static const char *const *mixed_unenforced(struct engine *engine)
{
	struct mixed *m = of(engine);
	const char *const *native = m->native->v->unenforced(m->native);
	const char *const *docker = m->docker->v->unenforced(m->docker);
	size_t count = 0;

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (strv_has(native, limit_table[i].name) || strv_has(docker, limit_table[i].name))
			m->unenforced[count++] = limit_table[i].name;
	}
	m->unenforced[count] = NULL;
	return m->unenforced;
}

static bool mixed_healthy(struct engine *engine, char *why, size_t size)
{
	struct mixed *m = of(engine);
	char native[WHY_MAX] = "", docker[WHY_MAX] = "";
	bool healthy = m->native->v->healthy(m->native, native, sizeof(native));

	healthy |= m->docker->v->healthy(m->docker, docker, sizeof(docker));
	if (!healthy)
		snprintf(why, size, "native: %s; docker: %s", native, docker);
	return healthy;
}

static size_t mixed_sandbox_count(struct engine *engine)
{
	struct mixed *m = of(engine);

	return m->native->v->sandbox_count(m->native) + m->docker->v->sandbox_count(m->docker);
}

static int mixed_session_open(struct engine *engine, const struct engine_session_spec *spec,
			      const struct engine_session_events *events, void *user,
			      struct engine_session **ret, struct err *err)
{
	struct engine *part = spec->image ? mixed_part_of(engine, spec->image) : of(engine)->native;

	return part->v->session_open(part, spec, events, user, ret, err);
}

static bool mixed_session_found(struct engine *engine, size_t index, struct engine_session_record *ret)
{
	struct engine *native = of(engine)->native, *docker = of(engine)->docker;
	size_t count = 0;

	while (count <= index && native->v->session_found(native, count, ret))
		count++;
	return count > index || docker->v->session_found(docker, index - count, ret);
}

static int mixed_session_take(struct engine *engine, const uint8_t id[ENGINE_SESSION_ID_SIZE],
			      const struct engine_session_events *events, void *user,
			      struct engine_session **ret, struct err *err)
{
	struct engine *native = of(engine)->native, *docker = of(engine)->docker;
	int r = native->v->session_take(native, id, events, user, ret, err);

	return r == -ENOENT ? docker->v->session_take(docker, id, events, user, ret, err) : r;
}

static void mixed_destroy(struct engine *engine)
{
	struct mixed *m = of(engine);

	if (!m)
		return;
	m->docker->v->destroy(m->docker);
	m->native->v->destroy(m->native);
	free(m);
}

/* What is done to a sandbox is done by its own engine's functions: they are the same of both. */
static void assert_same_sandboxes(const struct engine_vtable *a, const struct engine_vtable *b)
{
	assert(a->sandbox_adopt == b->sandbox_adopt && a->sandbox_idle == b->sandbox_idle &&
	       a->upload == b->upload);
	assert(a->step_start == b->step_start && a->stdin_write == b->stdin_write &&
	       a->stdin_eof == b->stdin_eof);
	assert(a->output_hold == b->output_hold && a->tty_resize == b->tty_resize &&
	       a->step_signal == b->step_signal);
	assert(a->session_prolong == b->session_prolong && a->session_finish == b->session_finish &&
	       a->session_weigh == b->session_weigh && a->session_destroy == b->session_destroy &&
	       a->service_take == b->service_take);
	assert(a->step_kill == b->step_kill && a->collect == b->collect &&
	       a->sandbox_destroy == b->sandbox_destroy);
}

int mixed_create(struct engine *native, struct engine *docker, const struct docker_images *images,
		 struct engine **ret, struct err *err)
{
	AUTO_FREE struct mixed *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(err, -ENOMEM, "the two engines");
	assert_same_sandboxes(native->v, docker->v);
	m->vtable = *native->v;
	m->vtable.name = "mixed";
	m->vtable.sandbox_create = mixed_sandbox_create;
	m->vtable.image_find = mixed_image_find;
	m->vtable.image_digest_name = mixed_image_digest_name;
	m->vtable.unenforced = mixed_unenforced;
	m->vtable.healthy = mixed_healthy;
	m->vtable.sandbox_count = mixed_sandbox_count;
	m->vtable.destroy = mixed_destroy;
	m->vtable.part = mixed_part;
	m->vtable.part_of = mixed_part_of;
	m->vtable.session_open = mixed_session_open;
	m->vtable.session_found = mixed_session_found;
	m->vtable.session_take = mixed_session_take;
	m->base.v = &m->vtable;
	m->native = native;
	m->docker = docker;
	m->images = images;
	*ret = &TAKE_PTR(m)->base;
	return 0;
}
