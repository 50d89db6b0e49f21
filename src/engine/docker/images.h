/*
 * The images of a Docker daemon as the front knows them: the keeper hands it a document, and it finds names in it.
 *
 * The document is JSON: an array of {"id":"sha256:…", "names":["python:3.12", …], "created", "size", "env",
 * "entrypoint", "command", "workdir", "user"}. A name without a tag is that with ":latest". The canonical form
 * of a name is "name:tag@sha256:…", with the id of the image, without ":latest".
 */
#ifndef KILN_ENGINE_DOCKER_IMAGES_H
#define KILN_ENGINE_DOCKER_IMAGES_H

#include "base/err.h"
#include "config/engine_rules.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct docker_images {
	json_t *all;	    /* NULL: none yet */
	char *const *rules; /* of config/engine_rules.h; NULL: none */
	const char *host;   /* the image in whose name "host" is found; NULL or "": there is none */
	unsigned changes;   /* how often another document has come */
};

/* An image of Docker's own registry by the name that Docker calls it by: Podman calls it by where it is from, too. */
const char *docker_familiar_name(const char *name);

/* Reads the keeper's document; `fd` is closed. A document that is none leaves everything as it was. */
void docker_images_read(struct docker_images *images, int fd);

void docker_images_finish(struct docker_images *images);

/*
 * What the rules choose for an image of the document: by the first that fits any of its names, of which "host" is
 * one where the image is `host` (NULL or "": there is none).
 */
struct engine_choice docker_image_choice(char *const *rules, const char *host, const json_t *image);

/* The image that a canonical name's digest is of, or NULL. */
const json_t *docker_images_by_digest(const struct docker_images *images, const char *canonical);

/*
 * Where both engines are: whether `name` is an image of the daemon's that is to run there. Without a rule that says so
 * it is not where kiln's own store has one (`stored`).
 */
bool docker_images_take(const struct docker_images *images, const char *name, bool stored);

/* The image of a name, an id, or a name with either digest, or NULL; with the name that it has canonically. */
const json_t *docker_images_find(const struct docker_images *images, const char *name, char *ret,
				 size_t size);

#endif
