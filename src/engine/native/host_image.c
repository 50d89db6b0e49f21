/*
 * The name and digest of the `host` image.
 *
 * Nobody can hash a whole /usr at every start. What says as much for a machine kept by its package manager
 * is the list of installed packages with their versions, and the name of the system: the same digest, the
 * same programs; an upgrade, another one.
 */
#include "engine/native/native_priv.h"

#include <errno.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>

static const char *const identity_files[] = {
	"/usr/lib/os-release", "/var/lib/dpkg/status", /* Debian and its kin */
	"/var/lib/rpm/rpmdb.sqlite",		       /* Fedora and its kin */
	"/lib/apk/db/installed",		       /* Alpine */
};

static void add_file(SHA2_CTX *hash, const char *path)
{
	uint8_t chunk[16384];
	size_t n;
	FILE *file = fopen(path, "re");

	SHA256Update(hash, (const uint8_t *)path, strlen(path) + 1);
	if (!file)
		return;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		SHA256Update(hash, chunk, n);
	fclose(file);
}

void host_image_name(char *ret, size_t size)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX hash;
	int used;

	SHA256Init(&hash);
	for (size_t i = 0; i < sizeof(identity_files) / sizeof(identity_files[0]); i++)
		add_file(&hash, identity_files[i]);
	SHA256Final(digest, &hash);
	used = snprintf(ret, size, "host@sha256:");
	for (size_t i = 0; i < sizeof(digest) && (size_t)used < size; i++)
		used += snprintf(ret + used, size - (size_t)used, "%02x", digest[i]);
}
