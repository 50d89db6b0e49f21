/*
 * The protocol between the host and init, PID 1 of a sandbox. The same frames over every engine's byte
 * stream.
 *
 * A frame is an 8-byte header, {be32 payload length, u8 type, u8 stream, be16 zero}, and its payload. All
 * integers are big endian. Host to init a payload is at most WIRE_TO_INIT_MAX, init to host at most
 * WIRE_TO_HOST_MAX bytes; a longer one, an unknown type or a non-zero reserved field breaks the connection.
 * Everything here is pure: bytes in, structs out, no allocation; decoded structs point into the frame's
 * payload.
 *
 * Life of a sandbox on this wire (H: host, I: init):
 *   I HELLO · H (FILE DATA*)* SYNC · I SYNCED · H START · I STARTED, STDOUT/STDERR*, STDIN_CREDIT* · I EXIT
 *   … further START … · H COLLECT · I (COLLECTED DATA*)* COLLECT_END · the host closes.
 * What a snapshot collected can be put back into another sandbox by FILE frames with a stamp, behind the same
 * uploads: the files then have the same order of modification times, and a later collection tells the same changes.
 * COLLECT may come while a step runs, if its payload is at most WIRE_FOLLOWS_MAX bytes: it follows on EXIT then,
 * unasked. KILL, TTY and SIGNAL may come at any time. KILL and SIGNAL that meet no running step do nothing; TTY is the
 * size of the terminal that the running step has, or that the next one with WIRE_START_TTY will have.
 *
 * In a member of a session (wire/init_config.h) files were there before. What was there when the first upload, or the
 * step, came counts for CHANGES as uploads do. Each upload gets a modification time behind all that is there, and takes
 * the place of what has its name. FILE may also remove, or make a link, and, where init has all of a session's files
 * before it, say whose a file is and when it was written.
 *
 * Whoever takes over a connection in the middle of its life (the one before him has died) sends RESYNC with 16 random
 * bytes and passes over all that comes until RESYNCED with the same.
 *
 * A step may be started ahead: H WARM · I WARMED, once, before the first START, among uploads or before them; a
 * START that does not wait for WARMED gets it before STARTED. A process is made as for START and boots, but nothing is
 * told of it but that it is ready, or, with an errno, that it is gone and the sandbox as good as before. It looks at
 * nothing below /sandbox. START with HOT makes it the step: its limits, clocks and output begin there. Where it does
 * not fit (another command, environment, stack or step), where it printed something or has died, and at every other
 * START, it is killed and reaped, and the step is forked as ever. Either way what follows START is the same.
 *
 * Without DRIVER the process is the very command of the step, stopped as it is about to make the first system call
 * that names something below /sandbox (or a relative path); it fits a START with the same arguments and environment.
 * With DRIVER it is another program, which finds a stream socket as descriptor 3. It writes one byte when it is ready,
 * and reads one message: be32 length, then NUL-terminated strings: the number of arguments, the arguments, the number
 * of variables, the variables ("NAME=value"). It closes the socket before any of the user's code is executed.
 */
#ifndef KILN_WIRE_INIT_PROTO_H
#define KILN_WIRE_INIT_PROTO_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION	   1
#define WIRE_HEADER_SIZE   8
#define WIRE_TO_INIT_MAX   (1024u * 1024)
#define WIRE_TO_HOST_MAX   (64u * 1024)
#define WIRE_STDIN_WINDOW  (256u * 1024) /* bytes of stdin that init will hold */
#define WIRE_PATH_MAX	   4096u
#define WIRE_COLLECTED_MAX (100u * 1000) /* files and omissions told in one collection */
#define WIRE_NONCE_SIZE	   16u
#define WIRE_OWNER_MAX	   127u /* numbers of users of a session; 0 is the session itself */
#define WIRE_FOLLOWS_MAX   4096u
#define WIRE_STAMP_MAX	   1000000u /* of a file that is put back; nanoseconds, too */

enum wire_type {
	/* host to init */
	WIRE_FILE = 1,	/* struct wire_file; then DATA frames until its size */
	WIRE_DATA = 2,	/* bytes of the file announced last; both ways */
	WIRE_SYNC = 3,	/* answer SYNCED when all files are in place */
	WIRE_START = 4, /* struct wire_start */
	WIRE_STDIN = 5, /* bytes, within the credit */
	WIRE_STDIN_EOF = 6,
	WIRE_KILL = 7,	  /* u8 enum step_kill */
	WIRE_COLLECT = 8, /* struct wire_collect */
	WIRE_WARM = 9,	  /* struct wire_start */
	WIRE_TTY = 10,	  /* struct wire_tty */
	WIRE_SIGNAL =
		11, /* u8 signal, to the foreground of the step's terminal, or to its first process group */
	WIRE_RESYNC = 24, /* WIRE_NONCE_SIZE bytes */
	WIRE_PING = 25,	  /* nothing: the host is there (of a container, whose init ends without it) */
	WIRE_WEIGH = 26,  /* nothing: answer WEIGHED */
	/* init to host */
	WIRE_HELLO = 64,  /* be32 WIRE_VERSION */
	WIRE_SYNCED = 65, /* struct wire_synced */
	WIRE_STARTED = 66,
	WIRE_OUTPUT = 67,	/* stream 1 or 2 in the header; bytes */
	WIRE_STDIN_CREDIT = 68, /* be32 more bytes that may be sent */
	WIRE_EXIT = 69,		/* struct wire_exit */
	WIRE_COLLECTED = 70,	/* struct wire_collected; then DATA frames until `sent` */
	WIRE_COLLECT_END = 71,	/* be32 errno, 0 when everything asked for was sent */
	WIRE_WARMED = 72,	/* be32 errno, 0 when a process waits for START */
	WIRE_RESYNCED = 88,	/* the same bytes, and u8: whether a step runs */
	WIRE_USAGE = 73,	/* struct wire_usage; in a container, before WARMED and before EXIT */
	WIRE_WEIGHED = 74,	/* be64 bytes that the file system of the root for uploads has in use */
};

struct wire_frame {
	uint8_t type;
	uint8_t stream;
	const uint8_t *payload;
	uint32_t len; /* bytes of payload */
};

/*
 * Finds the first frame in `data`. Returns its whole size in bytes with *ret filled, 0 when more bytes are
 * needed, or
 * -EPROTO: longer than max_payload or a reserved field set.
 */
int64_t wire_frame_parse(const uint8_t *data, size_t len, uint32_t max_payload, struct wire_frame *ret);

/* Writes a header. */
void wire_header_put(uint8_t header[WIRE_HEADER_SIZE], uint8_t type, uint8_t stream, uint32_t payload_len);

struct wire_file {
	uint32_t mode; /* permission bits */
	bool is_dir;
	uint64_t size; /* bytes that follow in DATA frames */
	uint64_t
		stamp; /* 0: an upload; else part of a snapshot that is put back, and its place in the order of times */
	/* In members of a session only. */
	bool remove;	   /* what has this name; a folder with all in it when is_dir */
	bool is_link;	   /* the content is its target */
	uint32_t owner;	   /* where init has the files of all users: up to WIRE_OWNER_MAX */
	uint64_t mtime_ns; /* likewise; 0: now */
	const char *path;  /* NUL-terminated */
};

enum wire_start_flag {
	WIRE_START_CGROUP = 1u << 0,	   /* enter the cgroup run<step> below the sandbox's own */
	WIRE_START_WATCH_MEMORY = 1u << 1, /* no cgroup holds memory: watch it */
	WIRE_START_WATCH_CPU = 1u << 2,
	WIRE_START_NPROC = 1u << 3,  /* no cgroup holds processes: RLIMIT_NPROC */
	WIRE_START_HOT = 1u << 4,    /* of START: the process that WARM made, if it fits */
	WIRE_START_DRIVER = 1u << 5, /* of WARM: the command is a driver */
	WIRE_START_ANY =
		1u << 6, /* of WARM: the command does not matter, whatever START says will be executed */
	WIRE_START_IN_PWD = 1u << 7, /* in the folder that PWD of envp names, not in /sandbox */
	WIRE_START_DROP =
		1u << 8, /* output beyond output_bytes is counted and dropped, and does not end the step */
	WIRE_START_TTY =
		1u << 9, /* its stdin, stdout and stderr are a terminal of its own; its output is stream 1 */
	WIRE_START_ALL = (1u << 10) - 1,
};

#define WIRE_STRINGS_MAX 4096 /* arguments, environment entries, globs: each list */

struct wire_strings {
	uint32_t count;
	const char *first; /* count NUL-terminated strings, one behind the other */
	size_t size;	   /* bytes of all, NULs included */
};

/* The string behind `at`. */
const char *wire_strings_next(const char *at);

struct wire_start {
	uint32_t step;
	uint32_t flags;
	struct limits limits;
	struct wire_strings argv, envp;
	const uint8_t *raw; /* the payload itself */
	uint32_t raw_len;
};

/* In characters, neither of them 0. */
struct wire_tty {
	uint16_t rows, cols;
};

/* Stages of starting a step, for a sentence when one fails. */
enum wire_stage {
	WIRE_STAGE_NONE,
	WIRE_STAGE_PIPE,
	WIRE_STAGE_CGROUP,
	WIRE_STAGE_FORK,
	WIRE_STAGE_SESSION,
	WIRE_STAGE_STDIO,
	WIRE_STAGE_RLIMIT,
	WIRE_STAGE_CHDIR,
	WIRE_STAGE_CREDENTIALS,
	WIRE_STAGE_LANDLOCK,
	WIRE_STAGE_SECCOMP,
	WIRE_STAGE_EXEC,
	WIRE_STAGE_COUNT,
};

const char *wire_stage_name(unsigned stage);

struct wire_synced {
	uint32_t error;	  /* errno of the first file that failed, or 0 */
	const char *path; /* which; "" without */
};

struct wire_exit {
	uint8_t stage;	/* enum wire_stage that failed, or WIRE_STAGE_NONE: the program was executed */
	uint32_t error; /* errno of that */
	uint8_t signaled;
	uint32_t status; /* exit code or signal */
	uint8_t kill;	 /* enum step_kill that init acted on */
	uint8_t disk_full, file_full;
	uint64_t wall_us, cpu_us, memory_peak_bytes, disk_used_bytes;
	uint64_t stdout_bytes, stderr_bytes;
	uint32_t processes_peak;
};

/* What the control groups of a container, as init sees them, counted since the step began. */
enum wire_usage_flag {
	WIRE_USAGE_MEMORY = 1u << 0, /* memory_peak_bytes and oom_kills are theirs */
	WIRE_USAGE_CPU = 1u << 1,
	WIRE_USAGE_PIDS = 1u << 2,
	WIRE_USAGE_ALL = (1u << 3) - 1,
};

struct wire_usage {
	uint32_t flags;
	uint32_t oom_kills, forks_refused, processes_peak;
	uint64_t cpu_us, memory_peak_bytes;
};

enum wire_collect_kind {
	WIRE_COLLECT_CHANGES,
	WIRE_COLLECT_KEEP,
	WIRE_COLLECT_SNAPSHOT, /* all that a step left, folders too; ENOTSUP: that is more than files and folders */
	WIRE_COLLECT_TREE, /* all that there is, in members of a session */
};

struct wire_collect {
	uint8_t kind;
	uint64_t file_bytes, total_bytes;
	uint32_t files;
	struct wire_strings globs;
};

enum wire_change {
	WIRE_CREATED,
	WIRE_CHANGED,
	WIRE_DELETED,
	WIRE_OMITTED,
	WIRE_CHANGE_COUNT,
};

enum wire_omit {
	WIRE_OMIT_NOT_REGULAR,
	WIRE_OMIT_TOO_MANY,
	WIRE_OMIT_TOO_LARGE,
	WIRE_OMIT_UNREADABLE,
	WIRE_OMIT_NAME,
	WIRE_OMIT_TOO_DEEP,
	WIRE_OMIT_COUNT,
};

/* "not a regular file", … ; "" for a number out of range. */
const char *wire_omit_reason(unsigned reason);

struct wire_collected {
	uint8_t change; /* enum wire_change */
	uint8_t omit;	/* enum wire_omit, of omitted ones */
	bool truncated;
	bool is_dir;	/* in a snapshot or tree only, after all that is in it */
	bool is_link;	/* in a tree only, as the next two */
	uint32_t owner; /* up to WIRE_OWNER_MAX */
	uint64_t mtime_ns;
	uint32_t mode;
	uint64_t size;	 /* bytes in the sandbox */
	uint64_t sent;	 /* bytes that follow in DATA frames */
	uint64_t age_ns; /* in a snapshot: how much later it was written than the newest upload */
	const char *path;
};

/*
 * Encoders write the payload into `to` (`room` bytes) and return its length, or -EMSGSIZE. Decoders return
 * 0, or -EPROTO for any byte out of place; they accept exactly what encoders write.
 */
int64_t wire_file_encode(const struct wire_file *file, uint8_t *to, size_t room);
int wire_file_decode(const struct wire_frame *frame, struct wire_file *ret);
int64_t wire_start_encode(uint32_t step, uint32_t flags, const struct limits *limits, char *const *argv,
			  char *const *envp, uint8_t *to, size_t room);
int wire_start_decode(const struct wire_frame *frame, struct wire_start *ret);
/* What a driver is told: the message of the comment above, the same strings as START's. */
int64_t wire_driver_encode(const struct wire_start *start, uint8_t *to, size_t room);
int64_t wire_tty_encode(const struct wire_tty *tty, uint8_t *to, size_t room);
int wire_tty_decode(const struct wire_frame *frame, struct wire_tty *ret);
int64_t wire_synced_encode(const struct wire_synced *synced, uint8_t *to, size_t room);
int wire_synced_decode(const struct wire_frame *frame, struct wire_synced *ret);
int64_t wire_exit_encode(const struct wire_exit *end, uint8_t *to, size_t room);
int wire_exit_decode(const struct wire_frame *frame, struct wire_exit *ret);
int64_t wire_usage_encode(const struct wire_usage *usage, uint8_t *to, size_t room);
int wire_usage_decode(const struct wire_frame *frame, struct wire_usage *ret);
int64_t wire_collect_encode(const struct wire_collect *collect, char *const *globs, uint8_t *to, size_t room);
int wire_collect_decode(const struct wire_frame *frame, struct wire_collect *ret);
int64_t wire_collected_encode(const struct wire_collected *file, uint8_t *to, size_t room);
int wire_collected_decode(const struct wire_frame *frame, struct wire_collected *ret);
int wire_u32_decode(const struct wire_frame *frame,
		    uint32_t *ret); /* HELLO, STDIN_CREDIT, COLLECT_END, WARMED */
/* RESYNCED for the nonce of a RESYNC. */
int64_t wire_resynced_encode(const uint8_t nonce[WIRE_NONCE_SIZE], bool running, uint8_t *to, size_t room);
int wire_resynced_decode(const struct wire_frame *frame, uint8_t ret_nonce[WIRE_NONCE_SIZE],
			 bool *ret_running);
int64_t wire_u32_encode(uint32_t value, uint8_t *to, size_t room);
int wire_weighed_decode(const struct wire_frame *frame, uint64_t *ret);
int64_t wire_weighed_encode(uint64_t value, uint8_t *to, size_t room);

#endif
