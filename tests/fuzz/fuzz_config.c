/*
 * Any bytes as kiln.conf, and behind its first NUL as flags, one between two NULs: read into settings within their
 * bounds, or refused with one sentence.
 */
#include "base/cleanup.h"
#include "config/config_priv.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLAGS_MAX 16

static int file_of(const uint8_t *data, size_t size, char *path, size_t path_size)
{
	AUTO_CLOSE int fd = memfd_create("kiln.conf", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(write(fd, data, size) == (ssize_t)size);
	snprintf(path, path_size, "/proc/self/fd/%d", fd);
	return TAKE_FD(fd);
}

static void check_numbers(const struct config *config)
{
	for (size_t i = 0; i < config_settings_count; i++) {
		const struct setting *setting = &config_settings[i];
		int64_t value, min, max;

		if (setting->type != SETTING_NUMBER && setting->type != SETTING_CEILING)
			continue;
		setting_bounds(setting, &min, &max);
		value = setting->type == SETTING_CEILING
				? config->ceilings.value[setting->limit]
				: *(const int64_t *)((const char *)config + setting->offset);
		assert(value >= min && value <= max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, '\0', size);
	size_t file_len = nul ? (size_t)(nul - data) : size;
	AUTO_FREE char *words = strndup((const char *)data, file_len);
	AUTO_FREE char *rest = calloc(1, size - file_len + 1);
	AUTO_CLOSE int fd = -1;
	char *flags[FLAGS_MAX + 1] = { NULL };
	char path[64];
	struct config config;
	struct err err = ERR_INIT;
	size_t count = 0;

	assert(words && rest);
	memcpy(rest, data + file_len, size - file_len);
	for (size_t at = 1; at < size - file_len && count < FLAGS_MAX; at += strlen(rest + at) + 1) {
		bool needs_next;

		(void)config_flag_is(rest + at, &needs_next);
		flags[count++] = rest + at;
	}
	fd = file_of((const uint8_t *)words, file_len, path, sizeof(path));
	if (config_load(path, flags, &config, &err) < 0) {
		assert(err.code < 0 && err.text[0] && !strchr(err.text, '\n'));
		return 0;
	}
	check_numbers(&config);
	for (size_t i = 0; i < config.tokens_count; i++)
		assert(config.tokens[i].name && config.tokens[i].token && config.tokens[i].token[0]);
	config_finish(&config);
	return 0;
}
