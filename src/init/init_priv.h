/*
 * The parts of init and the state they share. One process, one thread, one poll loop; see main.c for how it
 * works.
 */
#ifndef KILN_INIT_INIT_PRIV_H
#define KILN_INIT_INIT_PRIV_H

#include "base/hash.h"
#include "init/container.h"
#include "wire/init_config.h"
#include "wire/init_proto.h"
#include "wire/step_kill.h"

#include <dirent.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define OUT_BUFFER_SIZE	  (256u * 1024)
#define OUT_RESERVE	  (16u * 1024) /* room kept for frames that are not output */
#define OUTPUT_CHUNK_MIN  4096u	       /* a pipe is read only when this much room is left */
#define UPLOADED_MAX	  50000u
#define COLLECT_DEPTH_MAX 64
#define COLLECT_VISIT_MAX 50000u

/*
 * A file or folder that the host sent, as it was in place, or that a session had before. A folder only has a path.
 */
struct uploaded {
	char *path;
	bool is_dir;
	bool removed;  /* since, by the host */
	uint64_t hash; /* FNV-1a of the content; HASH_UNKNOWN of what was there before and is large */
	uint64_t size;
	ino_t inode;
	int64_t ctime_ns, mtime_ns;
	mode_t mode;
	bool seen; /* during a collection */
};

struct uploads {
	struct uploaded *items;
	size_t count, room;
	int64_t newest_ns;  /* modification time of the newest of them */
	int64_t restore_ns; /* that of stamp 1, while a snapshot is put back; else 0 */
	uint32_t error;	    /* errno of the first failure */
	char error_path[WIRE_PATH_MAX];
	/* The file being written. */
	int fd;
	uint64_t left; /* bytes still to come */
	uint64_t hash;
	char path[WIRE_PATH_MAX];
	mode_t mode;
	uint64_t stamp;
	/* In a member of a session. */
	bool looked; /* `known` of the items, sorted, are what was there before */
	bool cut;    /* they are not all: there were too many */
	size_t known;
	int64_t looked_ns; /* when */
	uint64_t hashed;   /* bytes */
	bool is_link;
	uint32_t owner;
	uint64_t given_ns; /* modification time that the host gave; 0: none */
	char link[WIRE_PATH_MAX];
	size_t link_len;
};

/* What the sandbox is. */
enum role {
	ROLE_ALONE, /* all in it is one run's */
	ROLE_RUN,   /* of a session: the user's home is its root */
	ROLE_FILES, /* of a session: the homes of all users are, and no step is started */
};

struct stdin_queue {
	uint8_t data[WIRE_STDIN_WINDOW];
	size_t start, len;
	uint32_t owed; /* bytes taken by the program for which no credit was given yet */
	bool eof;
	bool in_line;	    /* of a terminal: the last that was typed did not end a line */
	unsigned typed_eof; /* of a terminal: characters for the end of file that are still to be typed */
};

struct step {
	bool running;
	bool main_gone; /* the step's own process was reaped */
	pid_t main_pid;
	int main_status;
	int error_fd;	  /* read end: what failed before exec, or nothing */
	int stdin_fd;	  /* write end, -1 when closed */
	int output_fd[2]; /* read ends of stdout and stderr */
	int tty_fd;	  /* init's own end of the step's terminal, so that it is not hung up; or -1 */
	uint64_t printed[2];
	struct limits limits;
	uint32_t flags;
	enum step_kill kill;
	uint64_t start_us, end_us, deadline_us, sample_us;
	uint64_t reaped_cpu_us; /* of all children of init, and of its own process, before this step */
	uint64_t cpu_seen_us, memory_peak_bytes, disk_used_bytes;
	uint64_t disk_own_bytes; /* of those, what counts for its limit: in a session nobody else's files */
	uint32_t processes_peak;
	bool disk_full;
	struct stdin_queue input;
};

/* A process of a step that has been forked, and init's ends of its pipes; -1 where closed. */
struct launched {
	pid_t pid;
	int stdin_fd;	  /* write end */
	int output_fd[2]; /* read ends of stdout and stderr */
	int error_fd;	  /* read end: what failed before exec, or nothing */
	int control_fd;	  /* socket to a driver, or to what waits for its command */
	int tty_fd;	  /* of a terminal, whose other end is stdin_fd and output_fd[0] */
	uint64_t start_us;
};

#define LAUNCHED_NONE  ((struct launched){ 0, -1, { -1, -1 }, -1, -1, -1, 0 })
#define WARM_TASKS_MAX 128

enum warm_state {
	WARM_NONE,
	WARM_BOOTING,
	WARM_SETTLING, /* it is held; its other threads are being let go */
	WARM_READY,
};

/* The process of a step that was started ahead. */
struct warm {
	enum warm_state state;
	struct launched process;
	uint8_t *payload; /* of WARM, which `start` points into */
	struct wire_start start;
	uint64_t deadline_us; /* for getting ready */
	/* Not of drivers: what init traces. */
	struct warm_task {
		pid_t pid;  /* thread */
		bool begun; /* the stop that it begins with has come */
		bool free;  /* not traced any more */
	} tasks[WARM_TASKS_MAX];
	size_t tasks_count;
	pid_t held; /* stopped as it was about to look at the sandbox's files; 0: none yet */
};

struct init {
	enum role role;
	const char *home;		  /* where steps start */
	char *const *folders;		  /* of a service: what else it can write */
	const struct init_config *config; /* with the ids of the arguments */
	const struct sock_filter *filter;
	int in_fd, out_fd; /* the host: one socket, or in a container two pipes */
	int cgroup_fd, sandbox_fd, signal_fd, proc_fd, scratch_fd; /* the last: on what is its own alone */
	DIR *home_dir;	 /* of sandbox_fd, in the role of a run; else NULL */
	int landlock_fd; /* LANDLOCK_UNKNOWN before the first step */
	uint8_t in[WIRE_HEADER_SIZE + WIRE_TO_INIT_MAX];
	size_t in_len;
	uint8_t out[OUT_BUFFER_SIZE];
	size_t out_start, out_len;
	mode_t sandbox_mode; /* of /sandbox itself, before any step */
	struct wire_tty tty; /* the size of the step's terminal, or of the next one's */
	struct uploads uploads;
	struct step step;
	uint8_t follows[WIRE_FOLLOWS_MAX]; /* payload of the COLLECT that is for when the step has ended */
	size_t follows_len;
	struct warm warm;
	bool contained; /* in a container that somebody else made */
	struct foreign foreign;
	uint64_t heard_us; /* when the host was last heard of, in a container */
	struct counters counters;
};

uint64_t now_us(void);

/* out.c: frames to the host. Room for OUT_RESERVE bytes is always made by waiting, so these cannot fail. */
size_t out_room(const struct init *init);
void out_frame(struct init *init, uint8_t type, uint8_t stream, const void *payload, uint32_t len);
/* Writes what the socket takes now. The host is gone: exits. */
void out_flush(struct init *init);
/* Waits until at most `left` bytes are unsent. */
void out_wait(struct init *init, size_t left);
/* Reads from `fd` straight into an output frame, at most `most` bytes. Returns like read(2), errno set. */
ssize_t out_read_frame(struct init *init, int fd, uint8_t type, uint8_t stream, size_t most);

/* files.c: uploads. */
void files_begin(struct init *init, const struct wire_file *file);
void files_data(struct init *init, const uint8_t *data, size_t len);
void files_synced(struct init *init);
#define HASH_UNKNOWN 0
int hash_file(int fd, uint64_t *ret);
/* The first failure is what SYNCED tells. */
void files_fail(struct init *init, const char *path, int error);
/* Notes a file or folder as it is in place now. */
[[nodiscard]] int files_remember(struct init *init, const char *path, const struct stat *st, uint64_t hash);

int64_t time_ns(const struct timespec *t);

/* collect.c */
void collect(struct init *init, const struct wire_collect *what);

/*
 * snapshot.c: what of a sandbox can be put back into another one. True when that is all there is to a file or folder
 * that the user made: plain permissions, one name, no attributes, written between the uploads and now; with how long
 * after them.
 */
bool snapshot_holds(const struct init *init, int fd, const struct stat *st, uint64_t *ret_age_ns);
bool snapshot_is_all(void); /* outside of /sandbox the user left nothing, folders apart */

/* landlock.c */
#define LANDLOCK_NONE	 (-1) /* not in this kernel */
#define LANDLOCK_UNKNOWN (-2) /* not asked yet, or failed */
/* The ruleset for payloads as a descriptor, or one of the above. `more`: folders to write in; or NULL. */
int landlock_prepare(char *const *more);

enum launch_how {
	LAUNCH_STEP,
	LAUNCH_HELD,   /* ahead of its step, traced by init */
	LAUNCH_DRIVER, /* ahead of its step, with a control socket */
	LAUNCH_ANY,    /* ahead of its step, up to the exec: what to execute comes by the control socket */
};

/* spawn.c: between fork and exec. */
struct spawn {
	char **argv, **envp;
	uint8_t *room;	 /* WIRE_TO_INIT_MAX bytes, of LAUNCH_ANY */
	const char *dir; /* where it starts */
	int stdio[3];
	int error_fd;	/* write end; gets struct spawn_error */
	int control_fd; /* of LAUNCH_DRIVER and LAUNCH_ANY; else -1 */
	const struct init_config *config;
	const struct sock_filter *filter;
	const struct limits *limits;
	uint32_t flags;
	uid_t init_uid; /* the child asks when it is somebody else already */
	enum launch_how how;
	int landlock_fd; /* -1: none */
	bool contained;
	struct foreign foreign;
};

struct spawn_error {
	uint8_t stage; /* enum wire_stage */
	int32_t error; /* errno */
};

/* Never returns. Async-signal-safe calls only. */
_Noreturn void spawn_child(struct spawn *spawn);
/* The seconds of RLIMIT_CPU, a back-stop behind the limit of processor time. */
int64_t spawn_cpu_seconds(const struct limits *limits);
int64_t spawn_processes(const struct spawn *spawn);

/* launch.c: 0 and *ret, or a negative errno and the stage that failed. */
int launch(struct init *init, const struct wire_start *start, enum launch_how how, struct launched *ret,
	   enum wire_stage *ret_stage);
void launched_close(struct launched *process);
void close_fd(int *fd);

/* warm.c */
void warm_start(struct init *init, const struct wire_frame *frame);
/*
 * Hands out the waiting process as that of a step, with the limits of `start` and running, and the processor time that
 * it has had. False: there is none that fits.
 */
bool warm_take(struct init *init, const struct wire_start *start, struct launched *ret,
	       uint64_t *ret_used_us);
/* Kills and reaps it if it is there; WARMED is told when it was not yet. */
void warm_drop(struct init *init);
void warm_stopped(struct init *init, pid_t pid, int status); /* a thread that init traces */
/* A child was reaped. True when it was one that was started ahead. */
bool warm_ended(struct init *init, pid_t pid);
/* The control socket of a driver that is not ready can be read. */
void warm_heard(struct init *init);
void warm_give_up(struct init *init); /* it has taken too long */

/* step.c */
void step_start(struct init *init, const struct wire_start *start);
void step_stdin(struct init *init, const uint8_t *data, size_t len);
void step_stdin_eof(struct init *init);
void step_stdin_pump(struct init *init);
bool step_stdin_waits(const struct step *step); /* there is something to be written to it */
void step_output_pump(struct init *init, int which);
void step_reap(struct init *init);
/* Kills and reaps all that is left, drains the pipes and reports EXIT. */
void step_finish(struct init *init, enum step_kill reason);
void kill_and_reap_all(struct init *init);
/* Of the step: its processes that were reaped, and `living_us` of those that were not. */
uint64_t step_cpu_us(const struct step *step, uint64_t living_us);
/* Processor time of all children of init that were ever reaped, in step.c. */
uint64_t children_cpu_us(void);

/* watch.c: samples disk, and memory, processor time and processes where no cgroup does. May set *ret_kill. */
void watch_sample(struct init *init, enum step_kill *ret_kill);
uint64_t watch_next_us(const struct init *init);
uint64_t watch_disk_used(const struct init *init); /* of the file system of the root for uploads */
bool size_was_reached(const struct init *init); /* size.c: by a file of the step, whose processes are dead */
/* Of a living process and the children that it has waited for. */
uint64_t process_cpu_us(const struct init *init, pid_t pid);

#endif
