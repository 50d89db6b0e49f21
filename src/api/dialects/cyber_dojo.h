/*
 * The cyber-dojo runner's own calls (docs/dialects.md): alive, ready, sha, pull_image and run_cyber_dojo_sh, at the
 * root of the server and below /dialects/cyber-dojo/. The HTTP method and the query mean nothing there.
 */
#ifndef KILN_API_DIALECTS_CYBER_DOJO_H
#define KILN_API_DIALECTS_CYBER_DOJO_H

#include "base/err.h"
#include "http/server.h"

struct api;
struct cyber_dojo;

/* Reads libmagic's files, so before the process is confined. The api must outlive it. */
[[nodiscard]] int cyber_dojo_create(struct api *api, struct cyber_dojo **ret, struct err *err);

/* Calls that wait or run. */
size_t cyber_dojo_open(const struct cyber_dojo *dojo);

/* Ends every call without an answer. NULL is fine. */
void cyber_dojo_destroy(struct cyber_dojo *dojo);

/* Handlers of routes; `user` is the api. */
void cyber_dojo_handle(struct http_request *request, void *user);

#endif
