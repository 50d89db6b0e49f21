/* What the container of a slot is made with: by its image, its limits, and what of a session it is to have. */
#include "engine/docker/names.h"
#include "engine/docker/sessions.h"
#include "engine/docker/spec.h"

#include "wire/init_config.h"

#include <stdio.h>
#include <string.h>

#define MAPPED_UID 20000 /* where a daemon has 65536 ids and no more */

/* That no other container has. */
uint32_t slot_own_uid(const struct docker *d, uint32_t index)
{
	const struct docker_options *options = d->options;

	return d->host.mapped ? MAPPED_UID + index
			      : (uint32_t)(options->uid_base + options->uid_count - 1 - index);
}

static uint32_t own_uid(const struct slot *slot)
{
	return slot_own_uid(slot->docker, slot->index);
}

/* What of the slot's session its container has. */
static struct spec_member member_of(const struct slot *slot)
{
	const struct session *session = slot->session;
	struct spec_member member = {
		.role = slot->holds ? INIT_AS_HOLDER : INIT_AS_FILES,
		.gid = docker_session_uid(session),
		.volume = session->volume,
		.mountpoint = session->mountpoint,
		.read_only = session->state == SESSION_FINISHED,
	};

	if (slot->holds)
		return member;
	if (slot->member != KEEPER_MEMBER_FILES)
		member.network = slot_of_holder(session)->id;
	if (slot->member == KEEPER_MEMBER_RUN) {
		member.role = INIT_AS_RUN;
		member.home = slot->name;
	} else if (slot->member == KEEPER_MEMBER_SERVICE) {
		member.role = INIT_AS_SERVICE;
		member.volume = NULL;
		member.gid = own_uid(slot);
		member.folders = slot->folders;
	}
	return member;
}

static uint32_t uid_of(const struct slot *slot)
{
	if (!slot->session || slot->member == KEEPER_MEMBER_SERVICE)
		return own_uid(slot);
	return docker_session_uid(slot->session) + (slot->member == KEEPER_MEMBER_RUN ? slot->number : 0);
}

bool slot_user(const struct slot *slot, struct names_user *ret)
{
	if (slot->holds || slot->member == KEEPER_MEMBER_FILES)
		return false;
	*ret = (struct names_user){ .uid = uid_of(slot), .gid = own_uid(slot), .group = true };
	if (slot->member == KEEPER_MEMBER_RUN) {
		/* The session's group has no name, as natively. */
		ret->gid = docker_session_uid(slot->session);
		ret->group = false;
		snprintf(ret->name, sizeof(ret->name), "%s", slot->name);
		snprintf(ret->home, sizeof(ret->home), "/sandboxes/%s", slot->name);
	} else {
		snprintf(ret->name, sizeof(ret->name), "sandbox");
		snprintf(ret->home, sizeof(ret->home), "/home/sandbox");
	}
	return true;
}

struct spec slot_spec(const struct slot *slot, const struct limits *limits, struct spec_member *member)
{
	const struct docker *d = slot->docker;
	const struct docker_options *options = d->options;
	const struct docker_image *image = images_find(d, slot->digest);
	const char *runtime = image && image->runtime ? image->runtime : options->runtime;
	bool sentry = host_is_sentry(d, runtime);

	if (slot->session)
		*member = member_of(slot);
	return (struct spec){
		.owner = d->owner,
		.runtime = runtime,
		.volume = d->volume,
		.uid = uid_of(slot),
		.digest = slot->digest,
		.limits = limits,
		.volumes = image ? image->volumes : NULL,
		.swap = d->host.swap,
		.cpu = d->host.cpu,
		.pids = d->host.pids && !sentry,
		.sentry = sentry,
		.member = slot->session ? member : NULL,
	};
}
