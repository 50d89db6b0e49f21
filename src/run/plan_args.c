/*
 * The environments and argument vectors of steps.
 */
#include "run/plan_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARGUMENT_MAX (1024UL * 1024)
/* A runtime needs memory beside its heap. */
#define HEAP_PERCENT 70
#define HEAP_MIB_MIN 16

/*
 * All that a program finds in its environment when neither language nor request say more. No TERM: there is
 * none.
 */
static const struct {
	const char *name, *value;
} base_environment[] = {
	{ "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
	{ "HOME", "/home/sandbox" },
	{ "USER", "sandbox" },
	{ "LOGNAME", "sandbox" },
	{ "LANG", "C.UTF-8" },
	{ "PWD", "/sandbox" },
};

bool plan_env_name_ok(const char *name, size_t len)
{
	if (len == 0 || (*name >= '0' && *name <= '9'))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return true;
}

int plan_env_set(char ***env, const char *name, size_t name_len, const char *value)
{
	char *entry;
	int r;

	if (asprintf(&entry, "%.*s=%s", (int)name_len, name, value) < 0)
		return -ENOMEM;
	for (char **at = *env; at && *at; at++) {
		if (strncmp(*at, name, name_len) == 0 && (*at)[name_len] == '=') {
			free(*at);
			*at = entry;
			return 0;
		}
	}
	r = strv_append(env, entry, strlen(entry));
	free(entry);
	return r;
}

int plan_env_merge(char ***env, char *const *over)
{
	const char *equals;
	int r = 0;

	for (size_t i = 0; r == 0 && over && over[i]; i++) {
		equals = strchr(over[i], '=');
		if (equals)
			r = plan_env_set(env, over[i], (size_t)(equals - over[i]), equals + 1);
	}
	return r;
}

int plan_env_base(char ***env)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(base_environment); i++)
		r = plan_env_set(env, base_environment[i].name, strlen(base_environment[i].name),
				 base_environment[i].value);
	return r;
}

enum placeholder {
	PLACEHOLDER_ENTRY,
	PLACEHOLDER_STEM,
	PLACEHOLDER_DIR,
	PLACEHOLDER_CLASS,
	PLACEHOLDER_HEAP_MIB,
	PLACEHOLDER_FILES,
	PLACEHOLDER_COUNT,
};

static const char *const placeholders[PLACEHOLDER_COUNT] = {
	[PLACEHOLDER_ENTRY] = "{entry}",       [PLACEHOLDER_STEM] = "{stem}",
	[PLACEHOLDER_DIR] = "{dir}",	       [PLACEHOLDER_CLASS] = "{class}",
	[PLACEHOLDER_HEAP_MIB] = "{heap_mib}", [PLACEHOLDER_FILES] = "{files}",
};

/* The length of a "{word}" at the begin of `text`, or 0. */
static size_t word_len(const char *text)
{
	size_t len;

	if (*text != '{')
		return 0;
	len = 1 + strspn(text + 1, "abcdefghijklmnopqrstuvwxyz_");
	return len > 1 && text[len] == '}' ? len + 1 : 0;
}

/* The placeholder at the begin of `text`, or -1. */
static int placeholder_at(const char *text)
{
	for (int i = 0; i < PLACEHOLDER_COUNT; i++) {
		if (strncmp(text, placeholders[i], strlen(placeholders[i])) == 0)
			return i;
	}
	return -1;
}

bool plan_placeholders_ok(const char *argument, char *unknown, size_t size)
{
	int placeholder;
	size_t len;

	for (const char *at = argument; *at; at += len ? len : 1) {
		len = word_len(at);
		if (len == 0)
			continue;
		placeholder = placeholder_at(at);
		if (placeholder >= 0 &&
		    (placeholder != PLACEHOLDER_FILES || strcmp(argument, "{files}") == 0))
			continue;
		snprintf(unknown, size, "%.*s", (int)len, at);
		return false;
	}
	return true;
}

bool plan_command_needs(char *const *command, const char *name)
{
	bool files = strcmp(name, "files") == 0;
	int placeholder;

	for (; command && *command; command++) {
		for (const char *at = *command; *at; at++) {
			placeholder = placeholder_at(at);
			if (placeholder >= 0 && placeholder != PLACEHOLDER_HEAP_MIB &&
			    (placeholder == PLACEHOLDER_FILES) == files)
				return true;
		}
	}
	return false;
}

static bool is_source(const struct plan_sources *sources, const struct run_file *file)
{
	const char *dot = strrchr(file->name, '.');

	if (file->is_dir || !dot)
		return false;
	for (size_t i = 0; sources->extensions && sources->extensions[i]; i++) {
		if (strcmp(dot + 1, sources->extensions[i]) == 0)
			return true;
	}
	return false;
}

bool plan_has_sources(const struct plan_sources *sources)
{
	for (size_t i = 0; i < sources->files_count; i++) {
		if (is_source(sources, &sources->files[i]))
			return true;
	}
	return false;
}

/* A name that begins with '-' would be read as an option. */
static const char *guard(const char *name)
{
	return *name == '-' ? "./" : "";
}

static int append_files(const struct plan_sources *sources, char ***argv)
{
	char *argument;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sources->files_count; i++) {
		if (!is_source(sources, &sources->files[i]))
			continue;
		if (asprintf(&argument, "%s%s", guard(sources->files[i].name), sources->files[i].name) < 0)
			return -ENOMEM;
		r = strv_append(argv, argument, strlen(argument));
		free(argument);
	}
	return r;
}

/* Appends what a placeholder stands for that is taken from the name of the entry. */
static int append_part(struct buf *b, enum placeholder placeholder, const char *entry)
{
	const char *slash = strrchr(entry, '/');
	const char *dot = strrchr(entry, '.');
	size_t len = strlen(entry);

	if (placeholder == PLACEHOLDER_DIR && !slash)
		return buf_append_str(b, ".");
	if (placeholder == PLACEHOLDER_DIR)
		len = (size_t)(slash - entry);
	/* ".profile" is a stem without an extension, and so is "a.d/profile". */
	if (placeholder != PLACEHOLDER_ENTRY && dot && dot != entry && (!slash || dot > slash + 1))
		len = placeholder == PLACEHOLDER_DIR ? len : (size_t)(dot - entry);
	if (placeholder == PLACEHOLDER_CLASS && slash)
		return buf_append(b, slash + 1, len - (size_t)(slash + 1 - entry));
	return buf_append_str(b, guard(entry)) < 0 ? -ENOMEM : buf_append(b, entry, len);
}

/*
 * At least what a runtime starts with, so that a tiny limit ends in the kernel's verdict, not in a refused
 * option.
 */
static int append_heap(struct buf *b, int64_t memory_bytes)
{
	int64_t mib = memory_bytes / 100 * HEAP_PERCENT / (1024 * 1024);

	return buf_printf(b, "%lld", (long long)(mib < HEAP_MIB_MIN ? HEAP_MIB_MIN : mib));
}

/* 1 when the placeholder was filled in, 0 when there is nothing that it could stand for; -ENOMEM. */
static int append_value(struct buf *b, enum placeholder placeholder, const struct plan_sources *sources)
{
	int r;

	if (placeholder == PLACEHOLDER_HEAP_MIB)
		r = append_heap(b, sources->memory_bytes);
	else if (!sources->entry)
		return 0;
	else if (placeholder == PLACEHOLDER_CLASS && sources->class_name)
		r = buf_append_str(b, sources->class_name);
	else
		r = append_part(b, placeholder, sources->entry);
	return r < 0 ? -ENOMEM : 1;
}

static int append_argument(const char *argument, const struct plan_sources *sources, char ***argv)
{
	AUTO_BUF struct buf b = BUF_INIT(ARGUMENT_MAX);
	int placeholder, r;

	for (const char *at = argument; *at;) {
		placeholder = placeholder_at(at);
		r = placeholder >= 0 ? append_value(&b, (enum placeholder)placeholder, sources) : 0;
		if (r > 0) {
			at += strlen(placeholders[placeholder]);
			continue;
		}
		if (r < 0 || buf_append(&b, at++, 1) < 0)
			return -ENOMEM;
	}
	return strv_append(argv, b.data ? (const char *)b.data : "", b.len);
}

int plan_command_fill(char *const *command, const struct plan_sources *sources, char ***ret)
{
	char **argv = NULL;
	int r = 0;

	for (; r == 0 && *command; command++) {
		if (strcmp(*command, "{files}") == 0)
			r = append_files(sources, &argv);
		else
			r = append_argument(*command, sources, &argv);
	}
	if (r < 0) {
		strv_free(argv);
		return r;
	}
	*ret = argv;
	return 0;
}
