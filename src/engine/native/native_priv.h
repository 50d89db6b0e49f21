/*
 * The native engine's parts: native.c (the engine and its vtable), keeper_link.c (requests to the keeper),
 * keeper_start.c (the keeper's process), sandbox_make.c (how a sandbox comes to be), sandbox.c (its life), frames.c
 * (what its init says), outgoing.c (what it is sent), session.c (sessions, and
 * what an earlier front left), patience.c (the end of waiting).
 */
#ifndef KILN_ENGINE_NATIVE_NATIVE_PRIV_H
#define KILN_ENGINE_NATIVE_NATIVE_PRIV_H

#include "base/buf.h"
#include "engine/native/native.h"
#include "wire/init_proto.h"
#include "wire/keeper_proto.h"

#include <sys/types.h>

#define RECEIVE_BYTES (256u * 1024)

struct sandbox;
struct session;
struct native;

/* A request to the keeper that has not been answered. `fd` is -1 or the reply's descriptor, the callee's. */
typedef void (*link_reply_fn)(struct sandbox *sb, const struct keeper_message *reply, int fd);
typedef void (*link_session_fn)(struct session *session, const struct keeper_message *reply);

struct pending {
	struct pending *next;
	uint32_t tag;
	struct sandbox *sb; /* NULL: nobody wants it any more */
	link_reply_fn reply;
	struct session *session; /* of a session's request */
	link_session_fn session_reply;
	bool opens; /* one that nobody wants any more is closed again */
};

/* A request that the socket did not take at once. */
struct unsent {
	struct unsent *next;
	struct keeper_request request;
};

struct keeper_link {
	struct native *native;
	int fd;
	uv_poll_t poll;
	struct pending *pending;	      /* oldest first */
	struct unsent *unsent, **unsent_last; /* oldest first */
	uint32_t next_tag;
	bool lost;
};

struct native {
	struct engine base;
	struct engine_vtable v; /* with the name that this one has */
	uv_loop_t *loop;
	struct keeper_link link;
	struct native_host host;
	char unhealthy
		[KEEPER_STAGE_SIZE]; /* why no sandbox can be made though the keeper lives; "": it can */
	char host_image[96];	     /* "host@sha256:…" */
	bool (*image_find)(void *user, const char *name, char *ret, size_t size);
	void *image_user;
	void (*on_images)(void *user, int fd);
	char found_image[320]; /* the last that was found: "name@sha256:…" */
	const char *unenforced[LIMIT_COUNT + 1];
	pid_t keeper_pid; /* our child, or 0 */
	struct sandbox *sandboxes;
	size_t count;
	struct sandbox *by_slot[KEEPER_SLOTS_MAX]; /* those that have a slot */
	struct session *sessions;
	struct session *by_number[KEEPER_SESSIONS_MAX]; /* those that the keeper has given a number */
	struct left_service *left_services;
	uv_timer_t patience;
	uint64_t ticked_us; /* when that came last */
	struct sandbox
		*pending; /* those that have something to tell that must not be told from inside a call */
	uv_idle_t idle;	  /* runs while there are such */
	struct sandbox *leaving; /* those of whose end the keeper has not been told yet */
	uv_prepare_t behind;	 /* runs while there are such */
	void (*on_lost)(void *user);
	void *on_lost_user;
	void (*on_looked)(void *user, uint32_t number);
	void *on_looked_user;
	uint32_t looks;
	unsigned handles;		  /* libuv handles not closed yet */
	uint8_t encode[WIRE_TO_INIT_MAX]; /* for one payload on its way to a queue */
	uint8_t receive[RECEIVE_BYTES];	  /* shared: one sandbox reads at a time */
};

/* Bytes on their way to init, oldest first. */
struct outgoing_chunk {
	struct outgoing_chunk *next;
	const uint8_t *data; /* behind the struct, or the caller's until `uploaded` */
	size_t len, sent;
};

struct outgoing {
	struct outgoing_chunk *first, **last;
};

enum sandbox_state {
	SANDBOX_CREATING, /* CREATE is with the keeper */
	SANDBOX_GREETING, /* init's HELLO is awaited */
	SANDBOX_WARMING,  /* its runtime boots */
	SANDBOX_WEIGHING, /* it has booted, or not; USAGE is with the keeper */
	SANDBOX_ADOPTING, /* ADOPT is with the keeper */
	SANDBOX_IDLE,
	SANDBOX_UPLOADING, /* SYNC sent */
	SANDBOX_PREPARING, /* STEP is with the keeper */
	SANDBOX_RUNNING,
	SANDBOX_ENDING, /* EXIT came; STEP_END is with the keeper */
	SANDBOX_COLLECTING,
	SANDBOX_RESYNCING, /* a service that an earlier front left: what it was told last is not known yet */
	SANDBOX_DEAD,	   /* init is gone; a step that it had has been reported */
};

struct sandbox {
	struct native *native;
	struct sandbox *next, **link;
	const struct engine_events *events;
	void *user;
	enum sandbox_state state;
	uint32_t slot, generation;
	bool has_slot;
	int fd; /* init's socket */
	uv_poll_t poll;
	bool polling, poll_open;
	int poll_events;
	struct outgoing out;
	struct buf in; /* what came and was not handled yet: an unfinished frame, or what follows on EXIT */
	unsigned busy; /* callbacks under way: freed only when none is */
	bool destroyed;
	const struct engine_warm *warm; /* the runtime that it is to have, or NULL */
	bool waits;			/* made for nobody yet */
	bool ahead;			/* the process of its first step is there */
	uint64_t memory_bytes;		/* that it and its runtime hold; 0: not known */
	struct limits made_with;
	bool ready_pending; /* adopted: `ready` is told from the loop */
	bool pending;	    /* on the engine's list of those that have something to tell from it */
	struct sandbox *next_pending;
	struct sandbox *next_leaving; /* destroyed, and on the list of those that leave */
	bool eof;		      /* init closed; the keeper will say why */
	uint64_t spoken_us;	      /* when a container was last sent anything */
	uint64_t progress_us;	      /* when it last did something that was waited for */
	bool collect_pending;	      /* asked to collect when dead: the answer is told from the loop */
	bool kept_pending; /* asked to collect what may have been said: it is heard from the loop */
	bool files_lost;   /* died after a step that ended by itself: then that answer is an error */
	/* The step. */
	uint32_t step;
	struct limits limits;
	uint8_t *start_payload;
	size_t start_len;
	uint8_t *collect_payload; /* COLLECT, to be sent behind START; or NULL */
	size_t collect_len;
	bool collect_sent; /* it was: what follows on EXIT is not looked at before it is asked for */
	enum step_kill kill;
	bool stdin_eof;	       /* of a step that is being prepared: follows START */
	struct engine_tty tty; /* likewise: comes before it; rows 0: none */
	uint64_t started_us;
	struct wire_exit exit;
	struct wire_usage own; /* what a container's init told, for the keeper cannot */
	uint64_t seen[2];      /* bytes of output received */
	bool started;	       /* STARTED has come */
	bool held;	       /* nothing is read of what the step prints, or is collected */
	uint32_t stdin_credit; /* bytes that init has allowed and not got */
	/* What init may still send of the collection, and of its present file. */
	struct engine_collect_spec collect;
	uint32_t collect_entries;
	uint64_t file_left;
	uint8_t nonce[WIRE_NONCE_SIZE]; /* while it is RESYNCING */
};

/* native.c: EVENT_HOST, with `fd` the callee's, or -1. */
void native_host_changed(struct native *native, const struct keeper_message *message, int fd);

/* host_image.c: reads a few megabytes of package database. */
void host_image_name(char *ret, size_t size);

/* keeper_link.c */
void link_open(struct keeper_link *link, struct native *native, int fd);
[[nodiscard]] int link_hello(struct keeper_link *link, struct keeper_hello *ret,
			     struct err *err); /* blocks */
[[nodiscard]] int link_watch(struct keeper_link *link, struct err *err);
[[nodiscard]] int link_send(struct keeper_link *link, struct keeper_request *request, struct sandbox *sb,
			    link_reply_fn reply);
/* The same of a session; `session` is NULL when nobody waits for an answer. */
[[nodiscard]] int link_send_session(struct keeper_link *link, struct keeper_request *request,
				    struct session *session, link_session_fn reply);
void link_forget(struct keeper_link *link, struct sandbox *sb);
void link_forget_session(struct keeper_link *link, struct session *session);
/* Asks and waits for the answer; before link_watch() only. */
[[nodiscard]] int link_ask(struct keeper_link *link, const struct keeper_request *request,
			   struct keeper_message *ret, int *ret_fd, struct err *err);
void link_close(struct keeper_link *link);

/* keeper_start.c */
[[nodiscard]] int keeper_start_child(const struct native_options *options, int *ret_fd, pid_t *ret_pid,
				     struct err *err);

/* What the vtable's callers hold. */
static inline struct sandbox *sandbox_of(struct engine_sandbox *handle)
{
	return (struct sandbox *)(void *)handle;
}

/* sandbox_make.c */
[[nodiscard]] int sandbox_create(struct engine *engine, const struct engine_sandbox_spec *spec,
				 const struct engine_events *events, void *user, struct engine_sandbox **ret,
				 struct err *err);
void sandbox_adopt(struct engine_sandbox *handle, const struct engine_sandbox_spec *spec,
		   const struct engine_events *events, void *user);
void sandbox_idle(struct engine_sandbox *handle, struct engine_idle *ret);
void sandbox_greeted(struct sandbox *sb);
void sandbox_warmed(struct sandbox *sb, uint32_t error);

/* One without anything, of which the rest is the caller's; not on any list. NULL: no memory. */
struct sandbox *sandbox_new(struct native *native, const struct engine_sandbox_spec *spec);
/* It is the engine's from now on. */
void sandbox_enlist(struct sandbox *sb);
/* Takes the descriptor of its init's socket. */
[[nodiscard]] int sandbox_connect(struct sandbox *sb, int fd);

/* sandbox.c */
void sandbox_upload(struct engine_sandbox *handle, const struct engine_file *files, size_t count);
[[nodiscard]] int sandbox_step_start(struct engine_sandbox *handle, const struct engine_step *step,
				     struct err *err);
void sandbox_stdin_write(struct engine_sandbox *handle, const uint8_t *data, size_t len);
void sandbox_stdin_eof(struct engine_sandbox *handle);
void sandbox_tty_resize(struct engine_sandbox *handle, const struct engine_tty *size);
void sandbox_step_signal(struct engine_sandbox *handle, int number);
void sandbox_output_hold(struct engine_sandbox *handle, bool hold);
void sandbox_step_kill(struct engine_sandbox *handle, enum step_kill reason);
void sandbox_collect(struct engine_sandbox *handle, const struct engine_collect_spec *spec);
void sandbox_destroy(struct engine_sandbox *handle);
void sandbox_on_message(struct sandbox *sb, const struct keeper_message *message);
/* The engine lost it: tells `failed` (or a running step's end) once. */
void sandbox_fail(struct sandbox *sb, const struct err *err);
void sandbox_fail_with(struct sandbox *sb, int code, const char *what);
void sandbox_update_poll(struct sandbox *sb);
/* Whether what comes now waits for its collection to be asked for. */
bool sandbox_keeps_back(const struct sandbox *sb);
/* From the loop: the collection whose begin came with EXIT. */
void sandbox_hear_kept(struct sandbox *sb);
/* The keeper has given it a slot; the slot is no longer its own. */
void sandbox_take_slot(struct sandbox *sb, uint32_t slot, uint32_t generation);
void sandbox_lose_slot(struct sandbox *sb);
/* WIRE_START_… flags that this host needs. */
uint32_t sandbox_start_flags(const struct native_host *host);
void sandbox_enter(struct sandbox *sb);
/* Undoes sandbox_enter(); may free the sandbox. */
void sandbox_leave(struct sandbox *sb);
void sandbox_exited(struct sandbox *sb);
void sandbox_write(struct sandbox *sb);
void sandbox_flush(struct sandbox *sb); /* the same, but for what is no progress */
void sandbox_tell_pending(struct sandbox *sb);
void sandbox_forget_pending(struct sandbox *sb);
/*
 * Whoever destroys a sandbox has an answer on its way as a rule, which the loop sends at its next turn. What destroying
 * sets off takes processors from that: so the keeper hears of it, and the socket is closed, behind what is sent there.
 */
void sandbox_leave_later(struct sandbox *sb);
void sandboxes_leave(struct native *native);  /* now: the keeper hears of it before anything else */
void sandbox_say_goodbye(struct sandbox *sb); /* may free it */

/* patience.c */
[[nodiscard]] int patience_open(struct native *native);
void patience_watch(struct native *native); /* to be called for every new sandbox */
void patience_close(struct native *native);
void patience_progress(struct sandbox *sb);
void patience_end(struct sandbox *sb); /* it can do nothing more: fails at the next tick */

/* frames.c: one frame from init. 0, or -EPROTO: it speaks nonsense. */
[[nodiscard]] int sandbox_handle_frame(struct sandbox *sb, const struct wire_frame *frame);
[[nodiscard]] int sandbox_receive(struct sandbox *sb); /* -EPROTO; 0 also at end of file */
/* What was kept back; likewise. */
[[nodiscard]] int sandbox_handle_kept(struct sandbox *sb);

/* outgoing.c */
void outgoing_init(struct outgoing *out);
[[nodiscard]] int outgoing_frame(struct outgoing *out, uint8_t type, const void *payload, size_t len);
/* As DATA frames that refer to `data`. */
[[nodiscard]] int outgoing_file(struct outgoing *out, const uint8_t *data, size_t len);
/* Writes what the socket takes. 1: all gone, 0: more to come, or a negative errno. */
int outgoing_write(struct outgoing *out, int fd);
void outgoing_clear(struct outgoing *out);

#endif
