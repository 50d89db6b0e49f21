#include "config/config_priv.h"

#include "base/cleanup.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define AT(member) offsetof(struct config, member)
#define CEILING(ID, n)                                                                                       \
	{                                                                                                    \
		.name = "ceilings." n, .type = SETTING_CEILING, .limit = LIMIT_##ID                          \
	}

#define HOUR_MS	       3600000LL
#define UID_MAX_USABLE 4294967293LL /* the two above stand for "no such user" in 32-bit interfaces */

const struct setting config_settings[] = {
	{ .name = "listen",
	  .type = SETTING_LIST,
	  .offset = AT(listen),
	  .fallback = "127.0.0.1:4597",
	  .help = "Addresses to listen on, \"host:port\", with \",dialect=cyber-dojo\" behind it for that "
		  "dialect alone; more than one as a list, "
		  "as several "
		  "flags, or with spaces between in the variable" },
	{ .name = "tokens",
	  .type = SETTING_TOKENS,
	  .offset = AT(tokens),
	  .fallback_help = "none, and then only on loopback",
	  .help = "Who may ask: a mapping of names to secrets, or \"name=secret\" with commas between; a "
		  "request then needs "
		  "\"Authorization: Bearer secret\". A flag is visible to every user of the machine: prefer "
		  "the file" },
	{ .name = "insecure_no_auth",
	  .type = SETTING_SWITCH,
	  .offset = AT(insecure_no_auth),
	  .fallback = "false",
	  .help = "Listen on addresses other than loopback although there are no tokens" },
	{ .name = "state_dir",
	  .type = SETTING_PATH,
	  .offset = AT(state_dir),
	  .example = "/var/lib/kiln",
	  .fallback_help = "/var/lib/kiln as root, else kiln in $XDG_STATE_HOME or ~/.local/state",
	  .help = "Folder for images and whatever else must outlive the server" },
	{ .name = "languages_dir",
	  .type = SETTING_PATH,
	  .offset = AT(languages_dir),
	  .example = "/usr/share/kiln/languages",
	  .fallback_help = "../share/kiln/languages or ../languages beside the program",
	  .help = "Folder of the language files" },
	{ .name = "images_dir",
	  .type = SETTING_PATH,
	  .offset = AT(images_dir),
	  .example = "/usr/share/kiln/images",
	  .fallback_help = "../share/kiln/images or ../images beside the program",
	  .help = "Folder of the recipes from which images are built" },
	{ .name = "image_bytes",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_BYTES,
	  .offset = AT(image_bytes),
	  .min = 1 << 20,
	  .max = 1LL << 42,
	  .fallback = "16GiB",
	  .help = "Largest image, unpacked" },
	{ .name = "registries",
	  .type = SETTING_LIST,
	  .offset = AT(registries),
	  .value = "=NAME",
	  .fallback_help = "any",
	  .example = "docker.io",
	  .help = "Registries, or parts of one such as docker.io/library, from which POST /v1/images pulls" },
	{ .name = "dojo_images",
	  .type = SETTING_LIST,
	  .offset = AT(dojo_images),
	  .value = "=NAME=IMAGE",
	  .fallback_help = "none, and every image has its own name",
	  .example = "cyberdojofoundation/gcc_assert=host",
	  .help = "What cyber-dojo's clients call an image, and which image of kiln's, or language:ID, that "
		  "is; "
		  "more than one as a list" },
	{ .name = "debian_mirror",
	  .type = SETTING_TEXT,
	  .offset = AT(debian_mirror),
	  .fallback = "",
	  .fallback_help = "Debian's own servers, with security updates",
	  .help = "Mirror of Debian from which images are built, such as http://deb.debian.org/debian" },
	{ .name = "user",
	  .type = SETTING_TEXT,
	  .offset = AT(user),
	  .fallback = "",
	  .fallback_help = "a uid of its own, behind those of the sandboxes",
	  .help = "User that the server becomes when it was started as root" },
	{ .name = "cgroup",
	  .type = SETTING_TEXT,
	  .offset = AT(cgroup),
	  .fallback = "",
	  .fallback_help = "found out",
	  .help = "Control group, relative to the hierarchy, under which kiln makes its own" },
	{ .name = "uid_base",
	  .type = SETTING_NUMBER,
	  .offset = AT(uid_base),
	  .min = 100000,
	  .max = UID_MAX_USABLE,
	  .fallback = "1879048192",
	  .help = "First user id of the host that sandboxes use; only when started as root" },
	{ .name = "uid_count",
	  .type = SETTING_NUMBER,
	  .offset = AT(uid_count),
	  .min = 2,
	  .max = 1LL << 31,
	  .fallback = "2097152",
	  .help = "How many user ids sandboxes use, two for each, and 128 for each session" },
	{ .name = "parallel",
	  .type = SETTING_NUMBER,
	  .offset = AT(parallel),
	  .min = 1,
	  .max = 4096,
	  .example = "4",
	  .fallback_help = "two for each processor",
	  .help = "Runs at one time" },
	{ .name = "pool",
	  .type = SETTING_SWITCH,
	  .offset = AT(pool),
	  .fallback = "true",
	  .help = "Hold sandboxes ready before runs ask for them" },
	{ .name = "pool_min",
	  .type = SETTING_NUMBER,
	  .offset = AT(pool_min),
	  .min = 0,
	  .max = 4096,
	  .fallback = "2",
	  .help = "Sandboxes of the host image that are always ready; of other kinds as many as their use "
		  "asks for" },
	{ .name = "pool_max",
	  .type = SETTING_NUMBER,
	  .offset = AT(pool_max),
	  .min = 1,
	  .max = 4096,
	  .fallback = "64",
	  .help = "Most sandboxes of one kind (image, network, runtime) that are held ready" },
	{ .name = "pool_memory_bytes",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_BYTES,
	  .offset = AT(pool_memory_bytes),
	  .min = 0,
	  .max = 1LL << 50,
	  .fallback = "1GiB",
	  .help = "Memory that all waiting sandboxes and their runtimes together may hold" },
	{ .name = "pool_idle_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(pool_idle_ms),
	  .min = 1000,
	  .max = 24 * HOUR_MS,
	  .fallback = "600s",
	  .help = "A kind that no run asked for in this time is held no longer" },
	{ .name = "hot",
	  .type = SETTING_SWITCH,
	  .offset = AT(hot),
	  .fallback = "true",
	  .help = "Boot the runtimes of languages in waiting sandboxes, before the code is there" },
	{ .name = "queue",
	  .type = SETTING_NUMBER,
	  .offset = AT(queue),
	  .min = 0,
	  .max = 1LL << 20,
	  .fallback = "256",
	  .help = "Requests that may wait beyond those; one more is answered with 503" },
	{ .name = "body_bytes",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_BYTES,
	  .offset = AT(body_bytes),
	  .min = 1024,
	  .max = 4LL << 30,
	  .fallback = "64MiB",
	  .help = "Largest body of a request" },
	{ .name = "connections",
	  .type = SETTING_NUMBER,
	  .offset = AT(connections),
	  .min = 1,
	  .max = 1LL << 20,
	  .fallback = "4096",
	  .help = "Open connections at one time" },
	{ .name = "idle_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(idle_ms),
	  .min = 1,
	  .max = 24 * HOUR_MS,
	  .fallback = "60s",
	  .help = "A connection without traffic is closed after this" },
	{ .name = "header_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(header_ms),
	  .min = 1,
	  .max = HOUR_MS,
	  .fallback = "20s",
	  .help = "The request line and headers must be complete by then" },
	{ .name = "ws_connections",
	  .type = SETTING_NUMBER,
	  .offset = AT(ws_connections),
	  .min = 1,
	  .max = 1LL << 20,
	  .fallback = "2048",
	  .help = "WebSockets of one client, a token's or without tokens an address's; one more is answered "
		  "with 429" },
	{ .name = "ws_runs",
	  .type = SETTING_NUMBER,
	  .offset = AT(ws_runs),
	  .min = 1,
	  .max = 4096,
	  .fallback = "32",
	  .help = "Runs at one time, waiting ones included, of one WebSocket" },
	{ .name = "ws_client_runs",
	  .type = SETTING_NUMBER,
	  .offset = AT(ws_client_runs),
	  .min = 1,
	  .max = 1LL << 20,
	  .fallback = "256",
	  .help = "Runs at one time, waiting ones included, of all WebSockets of one client" },
	{ .name = "ws_idle_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(ws_idle_ms),
	  .min = 100,
	  .max = 168 * HOUR_MS,
	  .fallback = "600s",
	  .help = "A WebSocket that nothing is asked over and on which nothing runs is closed after this" },
	{ .name = "ws_timeout_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(ws_timeout_ms),
	  .min = 300,
	  .max = 24 * HOUR_MS,
	  .fallback = "90s",
	  .help = "A client that is silent for so long, or takes nothing of what it is sent, has gone; after "
		  "a "
		  "third of it a ping asks" },
	{ .name = "origins",
	  .type = SETTING_LIST,
	  .offset = AT(origins),
	  .example = "https://example.org",
	  .fallback_help = "only pages of this server itself",
	  .help = "Origins of other sites whose pages may run programs here, such as https://example.org; * "
		  "for all" },
	{ .name = "drain_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(drain_ms),
	  .min = 0,
	  .max = 24 * HOUR_MS,
	  .fallback = "150s",
	  .help = "After SIGTERM the runs under way get this long to end" },
	{ .name = "cache_bytes",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_BYTES,
	  .offset = AT(cache_bytes),
	  .min = 0,
	  .max = 1LL << 40,
	  .fallback = "128MiB",
	  .help = "Memory for what compile steps made, so that the same program is not compiled twice; 0 "
		  "switches it "
		  "off" },
	{ .name = "cache_shared",
	  .type = SETTING_SWITCH,
	  .offset = AT(cache_shared),
	  .fallback = "false",
	  .help = "What was compiled for one tenant serves the others too; they can then tell by the time it "
		  "takes what "
		  "others have compiled" },
	{ .name = "sessions",
	  .type = SETTING_NUMBER,
	  .offset = AT(sessions),
	  .min = 0,
	  .max = 1LL << 20,
	  .fallback = "1024",
	  .help = "Sessions that one tenant may have open at one time" },
	{ .name = "sessions_memory_bytes",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_BYTES,
	  .offset = AT(sessions_memory_bytes),
	  .min = 0,
	  .max = 1LL << 50,
	  .fallback = "2TiB",
	  .help = "Memory that the open sessions of one tenant may use together, by their limits" },
	{ .name = "sessions_ttl_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(sessions_ttl_ms),
	  .min = 1,
	  .max = 24 * 366 * HOUR_MS,
	  .fallback = "24h",
	  .help = "Longest time until a session ends by itself; it can be prolonged by as much again" },
	{ .name = "sessions_keep_ms",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_MS,
	  .offset = AT(sessions_keep_ms),
	  .min = 0,
	  .max = 24 * 366 * HOUR_MS,
	  .fallback = "24h",
	  .help = "A session that ended is removed after this, with its files and history" },
	{ .name = "sessions_disk_bytes",
	  .type = SETTING_NUMBER,
	  .quantity = QUANTITY_BYTES,
	  .offset = AT(sessions_disk_bytes),
	  .min = 1 << 20,
	  .max = 1LL << 50,
	  .fallback = "16GiB",
	  .help = "Size of the database that holds copies of the files of all sessions" },
	{ .name = "engine",
	  .type = SETTING_TEXT,
	  .offset = AT(engine),
	  .fallback = "native",
	  .help = "What sandboxes are made with: native (Linux namespaces), docker (containers of a Docker "
		  "or "
		  "Podman daemon), or mixed: both side by side, by image" },
	{ .name = "image_engines",
	  .type = SETTING_LIST,
	  .offset = AT(image_engines),
	  .value = "=PATTERN=ENGINE",
	  .fallback_help = "images of kiln's own run natively, others in the daemon's containers",
	  .example = "tools/*=native",
	  .help = "Which engine images run in whose name fits a pattern: native, docker, or docker:RUNTIME; "
		  "more "
		  "than one as a list, of which the first that fits decides" },
	{ .name = "docker.host",
	  .type = SETTING_TEXT,
	  .offset = AT(docker_host),
	  .fallback = "unix:///var/run/docker.sock",
	  .help = "The daemon: unix:///path or tcp://name:port" },
	{ .name = "docker.tls_ca",
	  .type = SETTING_TEXT,
	  .offset = AT(docker_tls_ca),
	  .fallback = "",
	  .fallback_help = "the machine's authorities when there is a certificate, else no TLS",
	  .help = "File (PEM) with the authority that the daemon's certificate is of" },
	{ .name = "docker.tls_cert",
	  .type = SETTING_TEXT,
	  .offset = AT(docker_tls_cert),
	  .fallback = "",
	  .fallback_help = "none",
	  .help = "File (PEM) with the certificate by which the daemon knows kiln" },
	{ .name = "docker.tls_key",
	  .type = SETTING_TEXT,
	  .offset = AT(docker_tls_key),
	  .fallback = "",
	  .fallback_help = "none",
	  .help = "File (PEM) with that certificate's key" },
	{ .name = "docker.runtime",
	  .type = SETTING_TEXT,
	  .offset = AT(docker_runtime),
	  .fallback = "",
	  .fallback_help = "the daemon's own choice",
	  .help = "Runtime of the containers, by the daemon's name for it: runc, crun, runsc, kata" },
	{ .name = "docker.host_image",
	  .type = SETTING_TEXT,
	  .offset = AT(docker_host_image),
	  .fallback = "",
	  .fallback_help = "none: such languages cannot be run",
	  .help = "Image of the daemon's in which languages run that name the image host" },
	{ .name = "docker.config",
	  .type = SETTING_TEXT,
	  .offset = AT(docker_config),
	  .fallback = "",
	  .fallback_help = "$DOCKER_CONFIG, else .docker in the home folder",
	  .help = "Folder with Docker's config.json, whose credentials serve when the daemon pulls images" },
	{ .name = "docker.containers",
	  .type = SETTING_NUMBER,
	  .offset = AT(docker_containers),
	  .min = 1,
	  .max = 4096,
	  .fallback = "64",
	  .help = "Most containers at one time, those held ready included" },
	CEILING(WALL_MS, "wall_ms"),
	CEILING(CPU_MS, "cpu_ms"),
	CEILING(MEMORY_BYTES, "memory_bytes"),
	CEILING(PROCESSES, "processes"),
	CEILING(OUTPUT_BYTES, "output_bytes"),
	CEILING(DISK_BYTES, "disk_bytes"),
	CEILING(FILE_BYTES, "file_bytes"),
	CEILING(OPEN_FILES, "open_files"),
	CEILING(STACK_BYTES, "stack_bytes"),
	CEILING(CPU_PERCENT, "cpu_percent"),
};

const size_t config_settings_count = ARRAY_LEN(config_settings);
static_assert(ARRAY_LEN(config_settings) <= SETTINGS_MAX, "grow SETTINGS_MAX");

int setting_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < config_settings_count; i++) {
		if (strlen(config_settings[i].name) == len && memcmp(config_settings[i].name, name, len) == 0)
			return (int)i;
	}
	return -1;
}

void setting_bounds(const struct setting *setting, int64_t *ret_min, int64_t *ret_max)
{
	static const int64_t ceiling_max[] = {
		[QUANTITY_COUNT] = 1LL << 22,
		[QUANTITY_BYTES] = 1LL << 50,
		[QUANTITY_MS] = 168 * HOUR_MS,
	};

	if (setting->type == SETTING_CEILING) {
		*ret_min = limit_table[setting->limit].minimum;
		*ret_max = ceiling_max[quantity_of_limit(setting->limit)];
	} else {
		*ret_min = setting->min;
		*ret_max = setting->max;
	}
}

const char *setting_fallback(const struct setting *setting, char *text, size_t size)
{
	if (setting->type != SETTING_CEILING)
		return setting->fallback;
	quantity_format(limit_table[setting->limit].default_ceiling, quantity_of_limit(setting->limit), text,
			size);
	return text;
}

void setting_variable(const struct setting *setting, char *text, size_t size)
{
	snprintf(text, size, "KILN_%s", setting->name);
	for (char *c = text; *c; c++)
		*c = *c == '.' || *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

void setting_flag(const struct setting *setting, char *text, size_t size)
{
	snprintf(text, size, "--%s", setting->name);
	for (char *c = text; *c; c++) {
		if (*c == '_')
			*c = '-';
	}
}
