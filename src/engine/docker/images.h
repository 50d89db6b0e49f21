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

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct docker_images {
	json_t *all;	  /* NULL: none yet */
	const char *host; /* the image in whose name "host" is found; NULL or "": there is none */
	unsigned changes; /* how often another document has come */
};

/* Reads the keeper's document; `fd` is closed. A document that is none leaves everything as it was. */
void docker_images_read(struct docker_images *images, int fd);

void docker_images_finish(struct docker_images *images);

/* The image of a name, an id, or a name with either digest, or NULL; with the name that it has canonically. */
const json_t *docker_images_find(const struct docker_images *images, const char *name, char *ret,
				 size_t size);

#endif
