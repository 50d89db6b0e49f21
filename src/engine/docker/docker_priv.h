/*
 * The parts of the Docker keeper: serve.c (its process and the front's), requests.c (what the front asks), slot.c (the
 * life of one container), waiting.c (requests for one for which there is no room yet), sessions.c and
 * session_requests.c (files and a network that outlive containers), spec.c (what a container is made with), host.c (the
 * daemon: is it there, what can it do, what did we leave behind), place.c (init's program, where containers find it),
 * names.c (of their users), images.c (what can be run).
 */
#ifndef KILN_ENGINE_DOCKER_DOCKER_PRIV_H
#define KILN_ENGINE_DOCKER_DOCKER_PRIV_H

#include "config/engine_rules.h"
#include "engine/docker/attach.h"
#include "engine/docker/daemon.h"
#include "engine/docker/docker.h"
#include "wire/keeper_proto.h"

#include <stdbool.h>
#include <stdint.h>

#define CONTAINER_ID_MAX  64
#define IMAGES_MAX	  4096u
#define IMAGE_VOLUMES_MAX 32u
#define CALL_MS		  60000u
#define SMALL_ANSWER	  (256u * 1024)
#define LARGE_ANSWER	  (16u * 1024 * 1024)
#define STARTS_AT_ONCE	  4u /* more would only make each of them slower */
#define OWNER_LABEL	  "kiln.owner"
#define SESSION_LABEL	  "kiln.session" /* of volumes with the files of sessions, beside the owner's */
#define OWNER_MAX	  32

struct docker;
struct names;
struct server;
struct session;

/* An image of the daemon's. */
struct docker_image {
	uint8_t digest[KEEPER_DIGEST_SIZE]; /* of its configuration: the id */
	char **volumes;			    /* paths that it declares */
	const char *runtime;		    /* that a rule demands, in the rule's text; NULL: none does */
};

enum slot_state {
	SLOT_FREE,
	SLOT_QUEUED, /* waits for its turn to be made */
	SLOT_MAKING, /* create, attach, start */
	SLOT_READY,
	SLOT_RUNNING, /* a step */
	SLOT_LOST,    /* the container is gone; the front has been told */
	SLOT_ENDING,  /* is being removed */
};

/* What the front waits for an answer of. */
enum slot_asked { ASKED_NOTHING, ASKED_CREATE, ASKED_ADOPT, ASKED_STEP };

struct slot {
	struct docker *docker;
	uint32_t index, generation;
	enum slot_state state;
	struct slot *next_queued;
	uint8_t digest[KEEPER_DIGEST_SIZE];
	struct limits limits; /* that the container has, or is to have */
	struct limits wanted; /* of the request under way */
	uint32_t tag;
	enum slot_asked asked;
	bool unwanted;	      /* to be removed as soon as nothing is under way */
	bool again;	      /* making it has failed once */
	bool fresh;	      /* replaces one: the front has been greeted before */
	unsigned removals;    /* that the daemon has refused */
	unsigned inspections; /* of one that has ended, for which the daemon had no reason */
	bool counted;	      /* among those that are being made */
	uint32_t named;	      /* its container has names.c's files, of that epoch; or 0 */
	char id[CONTAINER_ID_MAX + 1];
	struct daemon_call *call;
	struct attach *attach;
	int front_fd; /* that a replaced container leaves to the next, or -1 */
	int kept_fd;  /* of a service: the front's end of init's socket, for the next front; else -1 */
	struct session *session; /* that it is a member of, or that it holds; or NULL */
	bool holds;
	enum keeper_member member;
	uint32_t number; /* of a member: of its user, or its own as a service */
	char name[KEEPER_NAME_SIZE];
	char folders[KEEPER_FOLDERS_SIZE];
	uv_timer_t deadline, inspection;
	char why[KEEPER_STAGE_SIZE];
};

enum placed { PLACED_NOT, PLACING, PLACED };

/* What the daemon told of its machine. */
struct docker_host {
	bool up;
	char why[KEEPER_STAGE_SIZE]; /* while it is not */
	bool podman;
	bool memory, swap, cpu, pids;
	char runtime[ENGINE_RUNTIME_MAX + 1]; /* that the daemon chooses by itself; "": not known */
	json_t *runtimes;		      /* the daemon's, by name; NULL: not known */
	bool mapped; /* root in containers is somebody else outside, and there are 65536 ids */
	int cgroup_version;
	uint32_t leftovers; /* of an earlier keeper */
	bool was_up;	    /* once */
};

struct docker {
	uv_loop_t loop;
	const struct docker_options *options;
	struct daemon daemon;
	char owner[OWNER_MAX + 1];
	unsigned handles; /* of this and of the slots, not closed yet */
	/* the front */
	int front_fd;
	/* Allocated: the next front may begin while the handle of the last one is being closed. */
	uv_poll_t *front_poll;
	bool hello_wanted;
	uint32_t hello_tag;
	uint64_t hello_ms;	 /* since when it is wanted */
	unsigned hello_failures; /* of the questions on the way up, one after the other */
	uint32_t lost;		 /* runs that ended with earlier fronts */
	uint32_t front_lost;	 /* and with the one that has just gone */
	bool ending;
	/* the daemon */
	struct docker_host host;
	bool asked_once; /* whether it is there is known */
	uv_timer_t tick;
	struct daemon_call *call; /* of host.c: one at a time */
	struct daemon_call *ping; /* beside it: a silent daemon does not answer that one either */
	unsigned removing;	  /* calls under way that remove what no slot has */
	uint64_t heard_ms;	  /* when it last answered what was asked to hear of it */
	uint64_t swept_ms;
	bool volumes_due; /* volumes of nobody's are to be looked for, when their containers are gone */
	bool doubted;
	/* init */
	enum placed placed;
	char volume[64];
	struct buf archive; /* a tar with init and its configuration */
	char helper[CONTAINER_ID_MAX + 1];
	uint8_t place_digest[KEEPER_DIGEST_SIZE]; /* of an image that the helper is made from */
	struct daemon_call *place_call;
	struct names *names;
	/* images */
	struct docker_image *images;
	size_t images_count;
	json_t *images_known; /* id to its description */
	char *images_text;    /* what the front was told last */
	struct daemon_call *images_call;
	json_t *images_todo;		      /* ids that are still to be asked about */
	uint32_t look_wanted, look_under_way; /* tags of the front's requests to look; 0: none */
	/* containers */
	struct slot *slots;
	uint32_t slots_count;		/* behind those of the sandboxes are the holders' */
	uint32_t sandboxes_count;	/* the front's */
	struct keeper_request *waiting; /* requests to make one for which there is no slot yet */
	uint32_t waiting_count;		/* sandboxes_count at the most */
	struct session *sessions;
	uint32_t sessions_count;
	struct keeper_request *opens; /* for whose sessions others have to be gone first */
	uint32_t opens_count;	      /* sessions_count at the most */
	struct slot *queued, **queued_last;
	unsigned making;
	struct server *server; /* serve.c: the front's process; NULL: the front is no child of ours */
};

/* requests.c */
/* What waited for a slot is asked for once more. */
void request_create(struct docker *d, const struct keeper_request *request);
/* Answers with an error. */
void docker_refuse(struct docker *d, const struct keeper_request *request, int error, const char *why);
[[nodiscard]] int requests_begin(struct docker *d, int front_fd, struct err *err);
void requests_end(struct docker *d);
void front_tell(struct docker *d, const struct keeper_message *message, int fd);
/* EVENT_HOST, and HELLO's answer when that was waited for; `fd` is the images, or -1. */
void front_tell_host(struct docker *d, int fd);
/* EVENT_HOST as the answer to a request to look. */
void front_tell_looked(struct docker *d, uint32_t tag);
/* The front has gone: serve.c. */
void front_lost(struct docker *d);

/* slots.c: all of them; slot.c: one */
[[nodiscard]] int slots_begin(struct docker *d, struct err *err);
void slots_end(struct docker *d);
/* `session`: that it is to be a member of, or NULL. NULL: there is no slot free. */
struct slot *slot_create(struct docker *d, const struct keeper_request *request, struct session *session);
/* What a CREATE with this tag asks for is given up; false: it has been answered. */
bool slots_give_up(struct docker *d, uint32_t tag);
void slot_adopt(struct slot *slot, const struct keeper_request *request);
void slot_step(struct slot *slot, const struct keeper_request *request);
void slot_step_end(struct slot *slot);
void slot_destroy(struct slot *slot);
/* As the front wishes, whose questions about it are answered. */
void slot_discard(struct slot *slot);
/* What is open for it is closed, and nothing is waited for: the keeper ends. */
void slot_forget_calls(struct slot *slot);
void slots_destroy_all(struct docker *d);
bool slots_busy(const struct docker *d);
/* One for a sandbox, or NULL. */
struct slot *slots_free(const struct docker *d);
/* Looks whether one that waits can be made. */
void slots_advance(struct docker *d);
/* Those that wait cannot be made. */
void slots_refuse_queued(struct docker *d, const char *why);
/* What they asked the daemon for is not waited for any more; what comes of it is found by its label. */
void slots_give_up_calls(struct docker *d, const char *why);
bool slot_has_container(const struct docker *d, const char *id);
void slot_reply(struct slot *slot, int error, const char *why, int fd);

/* waiting.c */
/* Keeps the request until a container that is being removed has gone; false: none is, or too many wait already. */
bool waiting_keep(struct docker *d, const struct keeper_request *request);
/* Where a slot has become free: the first is asked for once more. */
void waiting_take(struct docker *d);
/* The one with this tag does not wait any more; false: none does. */
bool waiting_leave(struct docker *d, uint32_t tag);
void waiting_refuse(struct docker *d, const char *why);

/* host.c */
void host_begin(struct docker *d);
void host_end(struct docker *d);
void host_sweep(struct docker *d); /* looks for containers that nobody knows */
void host_sweep_volumes(struct docker *d);
/* A call has failed in a way that makes us doubt the daemon. */
void host_doubt(struct docker *d, const struct daemon_answer *answer);
/* It is away, or has given no sign of life for longer than it is left alone. */
bool host_is_silent(const struct docker *d);
void host_hello(const struct docker *d, struct keeper_hello *ret);
/*
 * Whether a runtime is gVisor, whose kernel is not the one that control groups ask about; NULL or "": the daemon's
 * choice. Its name says what it is only where its operator said so.
 */
bool host_is_sentry(const struct docker *d, const char *runtime);
/* Whether a runtime was told to make no control groups, so that the daemon's limits of containers hold nothing. */
bool host_ignores_groups(const struct docker *d, const char *runtime);
/* Removes a container, whoever's it was. */
void host_remove(struct docker *d, const char *id);

/* place.c */
[[nodiscard]] int place_begin(struct docker *d, struct err *err);
void place_start(struct docker *d,
		 const uint8_t *digest); /* slots_advance() or slots_refuse_queued() follows */
void place_forget(struct docker *d);
/* The daemon is away: it is to be put there again, and what is under way is not waited for. */
void place_give_up(struct docker *d);
void place_end(struct docker *d);

/* images.c */
void images_look(struct docker *d);
/* The same at once, or again when one is under way, and tells the front of it with this tag. */
void images_look_for(struct docker *d, uint32_t tag);
void images_give_up(struct docker *d);
void images_end(struct docker *d);
const struct docker_image *images_find(const struct docker *d, const uint8_t *digest);
/* The description of all as a memfd, or -1. */
int images_memfd(const struct docker *d);

/* A call with a JSON body (taken over, may be NULL); NULL when it could not be begun. */
struct daemon_call *docker_call(struct docker *d, const char *method, const char *path, json_t *body,
				daemon_fn done, void *user);

/* serve.c: its children are its own program again. */
#define CRASHES_MAX 5

struct program {
	int fd;
	char *const *argv;
};

struct crashes {
	uint64_t at_ms[CRASHES_MAX]; /* of the last ones */
	unsigned next;
};

/* With one socket, and perhaps the builder's behind it (-1: without). */
_Noreturn void child_execute(const struct program *program, const char *variable, int socket_fd,
			     int builder_fd);
/* Notes one more: whether there were that many within a minute. */
bool crashes_too_often(struct crashes *crashes, uint64_t now_ms);
void keeper_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* builder.c: the process that has the daemon pull images; it is started again when it dies. */
struct builder {
	struct docker *docker;
	const struct program *program;
	pid_t pid;	      /* 0: there is none */
	int own_fd, their_fd; /* the fronts' end of its socket, and its own; -1: it has ended for good */
	uv_timer_t pause;
	struct crashes crashes;
	bool ending; /* its end is no death */
};

/* 0 or a negative errno; builder_end() follows either. */
[[nodiscard]] int builder_begin(struct builder *b, struct docker *d, const struct program *program,
				struct err *err);
/* A child has ended, perhaps it. */
void builder_reap(struct builder *b);
void builder_end(struct builder *b);

#endif
