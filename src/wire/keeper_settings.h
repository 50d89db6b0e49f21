/*
 * What a keeper is started with: one fixed-size struct in a memfd, as descriptor KEEPER_SETTINGS_FD. Host
 * byte order.
 *
 * In serve mode the keeper starts the front itself: it executes KEEPER_FRONT_FD with its own arguments and
 * environment and KILN_KEEPER_FD=3 added, and again when that process crashes. Before, it does so once with
 * KILN_BUILDER_FD=3 instead, for the process that makes images; the other end of that one's socket each front
 * gets as KILN_BUILDER_FD=4. Not in serve mode it serves the socket that it finds as descriptor 3 and ends with
 * it.
 */
#ifndef KILN_WIRE_KEEPER_SETTINGS_H
#define KILN_WIRE_KEEPER_SETTINGS_H

#include <stdint.h>

#define KEEPER_SETTINGS_MAGIC 0x6b696c6b
#define KEEPER_SOCKET_FD      3
#define KEEPER_SETTINGS_FD    4
#define KEEPER_BUILDER_FD     4 /* of the front, not of the keeper */
#define KEEPER_FRONT_FD	      5

#define KEEPER_UID_BASE_MIN	 100000
#define KEEPER_UID_BASE_DEFAULT	 1879048192
#define KEEPER_UID_COUNT_DEFAULT 2097152

struct keeper_settings {
	uint32_t magic;
	uint32_t serve; /* 1: start the front */
	uint64_t uid_base,
		uid_count; /* as root: two for each sandbox, KEEPER_SESSION_UIDS for each session */
	char cgroup[256];  /* "": found out */
	char images[1024]; /* folder of the stored images, absolute; "": there are none */
};

#endif
