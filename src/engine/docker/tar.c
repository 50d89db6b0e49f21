#include "engine/docker/tar.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TAR_BLOCK 512u

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
		version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is one block");

int tar_add(struct buf *to, const char *name, unsigned mode, const void *data, size_t len)
{
	static const uint8_t zeros[TAR_BLOCK];
	struct tar_header header = { .type = '0', .magic = "ustar", .version = { '0', '0' } };
	unsigned sum = 0;
	int r;

	snprintf(header.name, sizeof(header.name), "%s", name);
	snprintf(header.mode, sizeof(header.mode), "%07o", mode);
	snprintf(header.uid, sizeof(header.uid), "%07o", 0u);
	snprintf(header.gid, sizeof(header.gid), "%07o", 0u);
	snprintf(header.size, sizeof(header.size), "%011zo", len);
	snprintf(header.mtime, sizeof(header.mtime), "%011o", 0u);
	memset(header.checksum, ' ', sizeof(header.checksum));
	for (size_t i = 0; i < sizeof(header); i++)
		sum += ((const uint8_t *)&header)[i];
	snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);
	r = buf_append(to, &header, sizeof(header));
	if (r == 0)
		r = buf_append(to, data, len);
	if (r == 0 && len % TAR_BLOCK)
		r = buf_append(to, zeros, TAR_BLOCK - len % TAR_BLOCK);
	return r;
}

int tar_end(struct buf *to)
{
	static const uint8_t zeros[2 * TAR_BLOCK];

	return buf_append(to, zeros, sizeof(zeros));
}

/* Octal digits, then spaces and NULs or nothing. False: it is another number, such as one of base 256. */
static bool parse_size(const char *text, size_t len, size_t *ret)
{
	size_t size = 0, i = 0;

	for (; i < len && text[i] >= '0' && text[i] <= '7'; i++) {
		if (size > SIZE_MAX / 8 - 8)
			return false;
		size = size * 8 + (size_t)(text[i] - '0');
	}
	if (i == 0 || (i < len && text[i] != ' ' && text[i] != '\0'))
		return false;
	*ret = size;
	return true;
}

/* What only says more of the entry behind it. */
static bool is_extension(char type)
{
	return type == 'x' || type == 'g' || type == 'L' || type == 'K';
}

int tar_only_file(const uint8_t *archive, size_t len, const uint8_t **ret_data, size_t *ret_len)
{
	struct tar_header header;
	size_t size;

	for (;;) {
		if (len < TAR_BLOCK)
			return -EINVAL;
		memcpy(&header, archive, sizeof(header));
		archive += TAR_BLOCK;
		len -= TAR_BLOCK;
		if (!parse_size(header.size, sizeof(header.size), &size) || size > len)
			return -EINVAL;
		if (!is_extension(header.type))
			break;
		size += (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
		if (size > len)
			return -EINVAL;
		archive += size;
		len -= size;
	}
	if (header.type != '0' && header.type != '\0')
		return -EINVAL;
	*ret_data = archive;
	*ret_len = size;
	return 0;
}
