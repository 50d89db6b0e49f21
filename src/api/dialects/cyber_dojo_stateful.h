/*
 * The calls of cyber-dojo's stateful runner (docs/dialects.md), below /dialects/cyber-dojo-stateful/: a kata is a
 * session, an avatar one of its users. Every answer is a 200.
 */
#ifndef KILN_API_DIALECTS_CYBER_DOJO_STATEFUL_H
#define KILN_API_DIALECTS_CYBER_DOJO_STATEFUL_H

#include "http/server.h"

struct stateful_call;

void cyber_dojo_stateful_handle(struct http_request *request, void *user);

/* A call that waits, without an answer. */
void stateful_call_destroy(struct stateful_call *call);

#endif
