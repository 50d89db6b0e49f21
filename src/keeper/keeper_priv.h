/*
 * The keeper's state. One process, one thread, one epoll loop; see main.c for how it works.
 */
#ifndef KILN_KEEPER_KEEPER_PRIV_H
#define KILN_KEEPER_KEEPER_PRIV_H

#include "base/err.h"
#include "keeper/template.h"
#include "sandbox/cgroup.h"
#include "sandbox/mounts.h"
#include "wire/keeper_proto.h"
#include "wire/keeper_settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum slot_state {
	SLOT_FREE,
	SLOT_SETUP,   /* its child makes mounts and namespaces */
	SLOT_READY,   /* init is executed, no step runs */
	SLOT_RUNNING, /* between STEP and STEP_END */
	SLOT_DYING,   /* killed; its processes or groups are not gone yet */
	SLOT_STATE_COUNT,
};

#define KEEPER_IMAGE_PATH 96

enum session_state {
	SESSION_FREE,
	SESSION_SETUP, /* its child makes its files and its network */
	SESSION_OPEN,
	SESSION_FINISHED, /* can be read */
	SESSION_ENDING,	  /* its members are dying */
	SESSION_STATE_COUNT,
};

/* Files and a network that outlive sandboxes; no process. */
struct session {
	enum session_state state;
	uint32_t generation;
	uint32_t epoch;	  /* of the front that knows it */
	uint32_t tag;	  /* of the request to answer */
	uint32_t members; /* sandboxes in it that are not free */
	uint8_t id[KEEPER_SESSION_ID_SIZE];
	uint64_t deadline_us; /* monotonic; of its set-up, then of itself */
	uint64_t retry_us;    /* when to try again to remove its groups */
	uint64_t groups_us;   /* when those of former sandboxes that are kept are to go */
	uint64_t ttl_ms;      /* while it is set up */
	bool expired;
	int mounts_fd, network_fd; /* its namespaces */
	int files_fd;		   /* a place among its files, for statfs alone */
	int sync_fd, pid_fd;	   /* of the child; -1 when that is gone */
	struct cgroup_group group;
};

/* Who a payload is, as it sees itself. */
struct inside {
	uint32_t uid, gid;
};

struct slot {
	enum slot_state state;
	uint32_t generation;
	uint32_t epoch; /* of the front that it was made for */
	uint32_t tag;	/* of the CREATE to answer */
	pid_t pid;
	int pid_fd, sync_fd;
	int net_fd;		       /* its network namespace, when that can be used again; else -1 */
	int disk_fd;		       /* context of its scratch, to give it another size */
	int image_fd;		       /* of a stored image: its folder, locked against removal; else -1 */
	char image[KEEPER_IMAGE_PATH]; /* its files' folder beneath that of the images */
	int front_fd;		       /* the host's end of init's socket, until it is handed over */
	struct cgroup_box box;
	struct limits limits;		/* that it was made with, or has now */
	uint64_t deadline_us, check_us; /* monotonic; of a running step */
	uint64_t retry_us;		/* when to try again to remove the groups of a dying one */
	bool cpu_told, oom_told;
	struct inside inside;	 /* of its user; of a member of a session, the first one */
	bool used;		 /* had a step: a run is lost with it */
	bool expected;		 /* its end was asked for */
	struct session *session; /* that it is a member of; or NULL */
	enum keeper_member member;
	uint32_t number; /* of a member: of its user, or its own as a service */
	bool reaped;
	struct slot *next_active, **link_active; /* list of slots with a timer */
};

struct id_range {
	uint64_t first;
	unsigned count;
};

struct idmap {
	uid_t own_uid;
	gid_t own_gid;
	bool ranges; /* newuidmap and a subordinate range: own uid per sandbox */
	uint64_t uid_base, uid_count, gid_base;
};

#define NETNS_STOCK_MAX	 32
#define NETNS_TABLES_MAX 16384

struct netns_stock {
	int fd[NETNS_STOCK_MAX];
	unsigned count;
	int own_fd;		      /* the keeper's own; -1: none is used again */
	char fresh[NETNS_TABLES_MAX]; /* what the tables of a new one say */
	size_t fresh_len;
};

struct clone_args;
struct setup;

struct keeper {
	struct keeper_settings settings;
	bool privileged;
	struct idmap idmap;
	struct cgroup_host cgroups;
	uint64_t turned_over_us;	    /* when a sandbox was last made or ended */
	struct mount_plan plan, image_plan; /* of the host image, and of every stored one */
	struct plan_template host_template, image_template;
	int template_base_fd;  /* of both; 0: not made yet, negative: cannot be */
	unsigned made_without; /* sandboxes without a template, of a keeper that may make but a few */
	bool overlay;	       /* can be mounted here; else images are bound */
	bool fresh_proc, signals_ignored; /* as in struct setup */
	int epoll_fd, signal_fd, socket_fd;
	/* Sealed memfds: init's program and its configuration, and that of services, which may be the same one. */
	int init_fd, config_fd, service_config_fd;
	struct netns_stock netns;
	struct slot *slots;
	uint32_t slots_count, next_slot;
	struct slot *active;
	struct session *sessions;
	uint32_t sessions_count, next_session;
	uint64_t sessions_due_us; /* when one of them wants something, at the soonest */
	uint32_t live;		  /* slots that are not free */
	uint32_t lost;		  /* sandboxes of a front that crashed */
	uint32_t epoch;		  /* counts the fronts: none hears of its predecessor's sandboxes */
	pid_t front_pid;
	pid_t builder_pid; /* of its guard (builder.c); 0: there is none */
	int builder_fd;	   /* the fronts' end of its socket; -1: there is none */
	int front_status;
	bool front_gone, stopping;
	bool ending; /* told to end: a front that dies is not started again */
	char **argv;
};

enum watch_kind {
	WATCH_SOCKET,
	WATCH_SIGNAL,
	WATCH_PID,
	WATCH_SYNC,
	WATCH_OOM,
	WATCH_SESSION_PID,
	WATCH_SESSION_SYNC,
};

uint64_t keeper_now_us(void);
[[nodiscard]] int keeper_watch(struct keeper *k, int fd, enum watch_kind kind, uint32_t slot);
void keeper_unwatch(struct keeper *k, int fd);
/* Sends one message, with a descriptor when fd >= 0. A front that does not read loses it with its connection. */
void keeper_send(struct keeper *k, const struct keeper_message *message, int fd);
/* A front that does not read is waited for half a second, not longer: deadlines of others are due. */
void keeper_be_patient(int socket_fd);
/* One line to stderr. */
void keeper_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* slots.c */
/* `session`: that it is to be a member of, or NULL. */
[[nodiscard]] int slot_create(struct keeper *k, const struct keeper_request *request, struct session *session,
			      struct err *err);
void slot_on_sync(struct keeper *k, struct slot *slot);
void slot_on_dead(struct keeper *k, struct slot *slot);
void slot_on_oom(struct keeper *k, struct slot *slot);
[[nodiscard]] int slot_adopt(struct keeper *k, struct slot *slot, const struct limits *limits,
			     struct err *err);
[[nodiscard]] int slot_step(struct keeper *k, struct slot *slot, const struct keeper_request *request,
			    struct err *err);
void slot_step_end(struct keeper *k, struct slot *slot, struct keeper_usage *ret);
void slot_kill(struct keeper *k, struct slot *slot, bool expected);
/* Deadlines and processor time. Returns the milliseconds until it wants to be called again, -1: not. */
int slots_tick(struct keeper *k);
void slots_kill_all(struct keeper *k);
/* Those that die with the front: all but the services that run. */
void slots_kill_of_front(struct keeper *k);
/* Whether it goes on when the front dies. */
bool slot_outlives_front(const struct slot *slot);

/* sessions.c */
[[nodiscard]] int session_open(struct keeper *k, const struct keeper_request *request, struct err *err);
void session_on_sync(struct keeper *k, struct session *session);
void session_on_dead(struct keeper *k, struct session *session);
void session_prolong(struct keeper *k, struct session *session, uint64_t ttl_ms);
void session_finish(struct keeper *k, struct session *session);
/* Kills all members; it is gone when they are. `expected`: the front does not have to be told of them. */
void session_end(struct keeper *k, struct session *session, bool expected);
/* Whether the sandbox of a CREATE may be a member; sets it in the slot. */
[[nodiscard]] int session_join(struct keeper *k, struct session *session,
			       const struct keeper_request *request, struct slot *slot, struct err *err);
/* The slot is free. */
void session_left(struct keeper *k, struct slot *slot);
/* As root: the first of its uids on the host. */
uint64_t session_uid(const struct keeper *k, const struct session *session);
/* Deadlines. Returns when it wants to be called again, UINT64_MAX: not by itself. */
uint64_t sessions_tick(struct keeper *k, uint64_t now_us);
uint32_t sessions_open(const struct keeper *k);
/* Those that no front knows. */
void sessions_end_unknown(struct keeper *k);

/* join.c: members of sessions, rootless */
#define JOIN_ID_FIRST	1 /* in a session's user namespace the session itself; 0 is the user who runs kiln */
#define JOIN_ID_COUNT	(KEEPER_SESSION_UIDS + KEEPER_SERVICES_MAX)
#define JOIN_STACK_SIZE (128 * 1024)
/* The ids in the session's user namespace that a member's payload can be. */
struct id_range join_users(const struct slot *slot);
/*
 * Clones a sandbox's set-up as a member of the slot's session, in the new namespaces that `args` asks for, lets it
 * go, and sends it the mounts that setup->member asks for. Fills in pid and pid_fd of the slot, on failure too if there
 * is a process already.
 */
[[nodiscard]] int join_clone(struct slot *slot, const struct setup *setup, const struct clone_args *args,
			     struct err *err);

/* session_requests.c: what the front may ask of sessions; same signature as all of the table. */
int handle_session_open(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
			struct err *err);
int handle_session(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
		   struct err *err);
int handle_session_next(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
			struct err *err);
int handle_service_next(struct keeper *k, const struct keeper_request *request, struct keeper_message *reply,
			struct err *err);
/* The session that a CREATE names, NULL for none, after a look at all that the request says about it. */
int session_of_create(struct keeper *k, const struct keeper_request *request, struct session **ret,
		      struct err *err);

/* requests.c */
void request_handle(struct keeper *k, const struct keeper_request *request);

/* image.c: finds the stored image of a request and holds it for the slot. -ENOENT: there is none. */
[[nodiscard]] int image_hold(const struct keeper *k, const uint8_t digest[KEEPER_DIGEST_SIZE],
			     struct slot *slot, struct err *err);

/* idmap.c */
void idmap_find(struct idmap *map);
/* Has newuidmap map a child that does nothing; clears `ranges` where it is refused, as in many a container. */
void idmap_try_ranges(struct idmap *map);
/*
 * As root: takes a part of the uid range for this keeper alone, held by the lock as long as it lives. -EBUSY: all are
 * taken (settings->uid_count is that of a part nevertheless); another errno: no lock could be made.
 */
[[nodiscard]] int idmap_claim_part(struct keeper_settings *settings, int *ret_lock_fd);
/* The map of one uid for the calling process, in a new user namespace. */
[[nodiscard]] int idmap_write_self(const struct idmap *map);
/*
 * Writes the maps of a child that is in a new user namespace: one uid for init, and those of `users` for payloads.
 * Inside these are the ids from `inside` on; init's is 0, or its group 1 where 0 is the payload's.
 */
[[nodiscard]] int idmap_write_root(pid_t pid, uint64_t supervisor, const struct id_range *users,
				   const struct inside *inside, struct err *err);
[[nodiscard]] int idmap_write_rootless(const struct idmap *map, pid_t pid, uint32_t slot,
				       const struct inside *inside, struct err *err);
/* Rootless: of the user namespace of a session. `part`, of the range, becomes the ids from JOIN_ID_FIRST on. */
[[nodiscard]] int idmap_write_session(const struct idmap *map, pid_t pid, const struct id_range *part,
				      struct err *err);
/*
 * Of a child in a user namespace right below the caller's, in which he is 0 and may map what he likes: 0 is 0, `users`
 * are ids of his.
 */
[[nodiscard]] int idmap_write_below(pid_t pid, const struct id_range *users, const struct inside *inside,
				    struct err *err);

/* netns.c: network namespaces that had a sandbox, for the next ones. */
void netns_open(struct netns_stock *stock, bool privileged);
/* One that is empty, the caller's; -1: none is there. */
int netns_take(struct netns_stock *stock);
/* That of a process, to be kept over its end; -1: cannot be. */
int netns_of(const struct netns_stock *stock, pid_t pid);
/* Of a sandbox whose processes are all dead. Takes the descriptor, which may be -1. */
void netns_give_back(struct netns_stock *stock, int fd);

/* prepare.c: what all sandboxes share, made once. */
[[nodiscard]] int prepare_shared(struct keeper *k, struct err *err);

/* confine.c: as root, after everything is prepared and before the first request. */
[[nodiscard]] int keeper_confine(struct err *err);

/* builder.c: as front.c, of the process that makes images. */
[[nodiscard]] int builder_start(struct keeper *k, struct err *err);
void builder_reap(struct keeper *k);
void builder_tell_end(struct keeper *k);

/* front.c: the server's front as a child of ours. */
[[nodiscard]] int front_start(struct keeper *k, struct err *err);
void front_reap(struct keeper *k);
/* Passes on a signal that asks the server to end. */
void front_tell_end(struct keeper *k, int number);

#endif
