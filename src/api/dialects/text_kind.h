/*
 * Tells text from binary as `file --mime-encoding` does, by libmagic's guess of the encoding: no pattern is tried,
 * no archive or program looked into. What it looks at comes out of a sandbox, so it is bounded, and done in a process
 * that may do nothing (cmd/front_confine.h).
 */
#ifndef KILN_API_DIALECTS_TEXT_KIND_H
#define KILN_API_DIALECTS_TEXT_KIND_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct text_kind;

/* Reads libmagic's files, so before the process is confined. */
[[nodiscard]] int text_kind_create(struct text_kind **ret, struct err *err);

/* True for text, and for whatever has at most one byte. Looks at the first 64 KiB. From any thread, one at a time. */
bool text_kind_is_text(struct text_kind *kind, const void *data, size_t len);

/* NULL is fine. */
void text_kind_destroy(struct text_kind *kind);

#endif
