/*
 * Every setting of kiln: kiln.conf (YAML), then KILN_* of the environment, then flags; a later one wins.
 *
 * One table (config_settings) is the only place that knows a setting's name: the file's keys, the variables
 * (`KILN_` + upper case, '.' and '-' become '_'), the flags (`--` + name with '_' as '-'), `kiln help serve` and the
 * man page come from it. `ceilings.*` are settings too, one for each limit.
 */
#ifndef KILN_CONFIG_CONFIG_H
#define KILN_CONFIG_CONFIG_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_token {
	char *name;  /* of the tenant, for logs and quotas */
	char *token; /* the secret behind "Authorization: Bearer" */
};

struct config {
	char **listen; /* "127.0.0.1:4597", "[::1]:4597", with options after commas (dialect=…) */
	struct config_token *tokens;
	size_t tokens_count;
	bool insecure_no_auth; /* allow a listener that is not loopback without tokens */
	char *state_dir;     /* default /var/lib/kiln as root, else ${XDG_STATE_HOME:-~/.local/state}/kiln */
	char *images_dir;    /* recipes; default as for languages_dir */
	char *debian_mirror; /* "": mmdebstrap's choice */
	char **dojo_images;  /* "name=image": what cyber-dojo's clients call an image, and which it is */
	char **registries;   /* from which images may be pulled; empty: any */
	int64_t image_bytes; /* largest image; default 16 GiB */
	char *languages_dir; /* default: beside the program's source or installed share/kiln/languages */
	char *user;	     /* whom the front becomes when started as root; "": uid_base + uid_count */
	char *cgroup; /* cgroup under which kiln makes its own, relative to the hierarchy; default "" (found out) */
	int64_t uid_base;	       /* first host uid of sandboxes, ≥ 100000; default 1879048192 */
	int64_t uid_count;	       /* two for each sandbox, 128 for each session; default 2097152 */
	int64_t parallel;	       /* runs at one time; default 2 × processors */
	bool pool;		       /* hold sandboxes ready */
	int64_t pool_min;	       /* of the host image, always */
	int64_t pool_max;	       /* of one kind */
	int64_t pool_memory_bytes;     /* of all */
	int64_t pool_idle_ms;	       /* a kind that nobody asked for in this time is given up */
	bool hot;		       /* boot runtimes in them */
	int64_t queue;		       /* requests waiting beyond that before 503; default 256 */
	int64_t body_bytes;	       /* largest request body; default 64 MiB */
	int64_t connections;	       /* open connections; default 4096 */
	int64_t idle_ms;	       /* a connection without traffic is closed; default 60 s */
	int64_t header_ms;	       /* request line and headers must be complete by then; default 20 s */
	int64_t ws_connections;	       /* WebSockets of one client; default 2048 */
	int64_t ws_runs;	       /* runs of one WebSocket; default 32 */
	int64_t ws_client_runs;	       /* runs of all WebSockets of one client; default 256 */
	int64_t ws_idle_ms;	       /* without a run or a message; default 600 s */
	int64_t ws_timeout_ms;	       /* without a sign of life; default 90 s */
	char **origins;		       /* of pages that may run programs, beside the server's own */
	int64_t drain_ms;	       /* after SIGTERM running runs get this long; default 150 s */
	int64_t cache_bytes;	       /* memory for what compile steps made; 0: none; default 128 MiB */
	bool cache_shared;	       /* what one tenant compiled serves others; default no */
	int64_t sessions;	       /* open ones of a tenant; default 1024 */
	int64_t sessions_memory_bytes; /* that those may use by their limits; default 2 TiB */
	int64_t sessions_ttl_ms;       /* longest; default 24 h */
	int64_t sessions_keep_ms;      /* what ended is remembered for; default 24 h */
	int64_t sessions_disk_bytes;   /* of the copies of their files; default 16 GiB */
	char *engine;		       /* "native", "docker" or "mixed" */
	char **image_engines;	       /* rules of config/engine_rules.h */
	char *docker_host;	       /* "unix:///path" or "tcp://name:port" */
	char *docker_tls_ca, *docker_tls_cert, *docker_tls_key; /* files; "": none */
	char *docker_runtime;					/* "": the daemon's choice */
	char *docker_host_image;				/* that stands for "host"; "": none */
	char *docker_config; /* folder with config.json; "": Docker's own default */
	int64_t docker_containers;
	struct limits ceilings;
};

/* True when all sandboxes are containers of a daemon. */
bool config_engine_is_docker(const struct config *config);

/* True when it has both engines. */
bool config_engine_is_mixed(const struct config *config);

/*
 * Reads the settings. `path` is the file (NULL: KILN_CONFIG, else /etc/kiln/kiln.conf when it exists); `flags` is a
 * NULL-terminated list of "--name=value" already split off the command line. An unknown key, variable or flag, a wrong
 * type or a value out of bounds is -EINVAL with a sentence that names file, key and bound.
 */
[[nodiscard]] int config_load(const char *path, char *const *flags, struct config *ret, struct err *err);

/* True when `arg` is "--name=value" or "--name" (value in the next argument) of a setting; sets *ret_takes_value. */
bool config_flag_is(const char *arg, bool *ret_needs_next);

/*
 * Prints every setting with its default and help to stdout: for `kiln help serve` (`format` "text"), the man page
 * ("man") or as kiln.conf.example ("conf").
 */
void config_describe(const char *format);

/* Overwrites the tokens and frees everything. */
void config_finish(struct config *config);

#endif
