/*
 * What the files that read a run's request share beyond run/request_read.h.
 */
#ifndef KILN_RUN_REQUEST_PRIV_H
#define KILN_RUN_REQUEST_PRIV_H

#include "run/request_read.h"

#define FILE_NAME_MAX	   4096
#define FILE_COMPONENT_MAX 255

/*
 * As request_parse(), of JSON that is loaded; `live`: with the fields that only message.h knows. *ret is initialised in
 * any case.
 */
[[nodiscard]] int request_read(const json_t *root, bool live, const struct request_bounds *bounds,
			       struct run_request *ret, struct err *err);

[[nodiscard]] int read_collect(struct reader *r, const json_t *v, const struct path *p, void *run_request);
[[nodiscard]] int read_network(struct reader *r, const json_t *v, const struct path *p, void *run_request);
[[nodiscard]] int read_cache(struct reader *r, const json_t *v, const struct path *p, void *run_request);
[[nodiscard]] int read_light(struct reader *r, const json_t *v, const struct path *p, void *light_spec);
[[nodiscard]] int read_tty(struct reader *r, const json_t *v, const struct path *p, void *engine_tty);
[[nodiscard]] int read_switch(struct reader *r, const json_t *v, const struct path *p, void *flag);

/* The content of a file or of stdin: a string, or an object with `content`, `encoding` and, unless NULL, `mode`. */
[[nodiscard]] int read_content(struct reader *r, const json_t *v, const struct path *p,
			       struct run_bytes *bytes, uint32_t *mode);

/*
 * Adds a file, or does nothing where a file of the request's own keeps the name from an archive's. Takes over its name
 * and data on success only. Refuses bad and contradicting names and what is over the bounds.
 */
[[nodiscard]] int request_put_file(struct run_request *req, struct run_file *file,
				   const struct request_bounds *bounds, const struct path *path,
				   struct err *err);

void run_file_finish(struct run_file *file);

#endif
