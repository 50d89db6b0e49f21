/*
 * The program's streams on the command line's own descriptors, whatever these are: terminals, pipes, files, /dev/null.
 *
 * Each has a thread that blocks in read(2) or write(2), so that the loop never does and no descriptor that we share
 * with a shell is switched to O_NONBLOCK behind its back. They tell the loop of news through one uv_async_t of the
 * caller, which must stay valid until sink_detach() and source_destroy().
 */
#ifndef KILN_CMD_STREAM_H
#define KILN_CMD_STREAM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Writes to one descriptor, in order. Holds at most SINK_MAX bytes; beyond that sink_write() waits. */
struct sink;

#define SINK_MAX ((size_t)32 << 20)

/* `fd` stays the caller's and open until sink_finish(). */
[[nodiscard]] int sink_create(int fd, uv_async_t *wake, struct sink **ret, struct err *err);

/* Copies the bytes; drops them once the reader has gone. */
void sink_write(struct sink *sink, const uint8_t *data, size_t len);

/* True once writing failed: the reader has gone (EPIPE), the disk is full. `wake` was told. */
bool sink_broken(struct sink *sink);

/* No news to the loop any more. */
void sink_detach(struct sink *sink);

/* Waits until all is written or writing failed, frees it. Returns 0 or the negative errno of the failure. NULL: 0. */
int sink_finish(struct sink *sink);

/* Reads one descriptor, as much as was asked for. */
struct source;

/* Takes `fd` over, or shares it when it is the process's own stdin (0). */
[[nodiscard]] int source_create(int fd, uv_async_t *wake, struct source **ret, struct err *err);

/* Allows `len` more bytes to be read. */
void source_want(struct source *source, size_t len);

/* Moves what was read into `buf`; returns its length. *ret_eof is true when nothing more will come. */
size_t source_take(struct source *source, uint8_t *buf, size_t size, bool *ret_eof);

/* Forgets it at once, though its thread may still wait for a terminal; the thread frees it then. NULL is fine. */
void source_destroy(struct source *source);

#endif
