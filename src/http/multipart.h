/*
 * multipart/form-data (RFC 7578) of a body that is wholly in memory. Pure; parts are handed out where they
 * lie.
 *
 * Our own and not MHD's post processor: that one needs a connection (no test or fuzzer has one), hands file
 * parts out in pieces, and takes a body that just ends for a complete one. Here everything is either exactly
 * formed or refused: the boundary of the content type, CRLF everywhere, a Content-Disposition with a name in
 * each part, the closing delimiter. What RFC 2046 lets stand around all that (a preamble, an epilogue, blanks behind
 * a boundary) is skipped, within bounds.
 */
#ifndef KILN_HTTP_MULTIPART_H
#define KILN_HTTP_MULTIPART_H

#include "http/server.h"

#define HTTP_PARTS_MAX	   64
#define HTTP_PART_HEAD_MAX 4096 /* bytes of one part's headers */
#define HTTP_PREAMBLE_MAX  4096 /* bytes before the first boundary, and behind the last */
#define HTTP_PADDING_MAX   256	/* blanks behind one boundary */

/*
 * Calls `part` for each part in order; `file_name` and `content_type` are NULL when the part has none. A
 * negative return of `part` ends the walk and is returned. -EINVAL with a refusal when the body is malformed,
 * with ERR_TYPE when `content_type` (may be NULL) is not multipart/form-data; parts before the fault have
 * been handed out then.
 */
[[nodiscard]] int http_multipart_parse(const char *content_type, const uint8_t *body, size_t len,
				       http_part_fn part, void *user, struct err *err);

#endif
