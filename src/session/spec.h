/*
 * What a session is made of, as the client said it: image or language, limits, and the services beside it. Checked in
 * itself, not yet against images or ceilings. Owns all it points to.
 *
 * The same JSON is what the store keeps, so that a session can be made again: spec_read() and spec_to_json() are each
 * other's inverse.
 */
#ifndef KILN_SESSION_SPEC_H
#define KILN_SESSION_SPEC_H

#include "base/err.h"
#include "base/limits.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICES_MAX	 8
#define SERVICE_NAME_MAX 32

struct service_spec {
	char *name; /* lower case letters, digits, '-' and '_' */
	char *image;
	char **command;
	char **env; /* "NAME=value" */
	struct limits limits;
	char **ready; /* a command that ends with 0 when the service is ready; NULL: it is when it runs for a while */
	int64_t interval_ms; /* between two tries of it */
	int64_t timeout_ms;  /* of one try */
	int64_t start_ms;    /* when it has to be ready */
	char **depends_on;   /* names of services that have to be ready before this one is started */
	char **tmpfs;	     /* folders that it can write beside the usual ones */
	bool composed;	     /* said so by a compose file */
};

struct session_spec {
	char *language, *version_range; /* or */
	char *image;
	struct limits limits;
	struct service_spec *services;
	size_t services_count;
};

/* A request to make a session. */
struct session_request {
	char *id;	/* or NULL */
	int64_t ttl_ms; /* 0: the usual time */
	struct session_spec spec;
};

/* `ttl_ms` where a request says none, and the node's ceiling is not below that. */
#define SESSION_TTL_MS 3600000

/*
 * Reads the JSON of POST /v1/sessions. 0, or -EINVAL with a refusal that names the field, or -ENOMEM. *ret is to be
 * finished in any case.
 */
[[nodiscard]] int session_request_parse(const char *json, size_t len, struct session_request *ret,
					struct err *err);
void session_request_finish(struct session_request *request);

/* The same of what spec_to_json() wrote. */
[[nodiscard]] int session_spec_parse(const char *json, size_t len, struct session_spec *ret, struct err *err);
/* A new reference, or NULL when out of memory. */
json_t *session_spec_to_json(const struct session_spec *spec);
void session_spec_finish(struct session_spec *spec);

/* The refusal is of `field`; where its sentence begins with what that was, so it does now. `err` may be NULL. */
void session_refusal_move(struct err *err, const char *field);

/* The service of this name, or NULL. */
const struct service_spec *session_spec_service(const struct session_spec *spec, const char *name);

/* False with half a sentence in *ret_fault when it is no name of a session ("id") or a user. */
bool session_id_ok(const char *id, const char **ret_fault);
bool session_user_ok(const char *name, const char **ret_fault);

#endif
