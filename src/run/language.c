#include "run/language.h"

#include "run/language_priv.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct language_registry {
	struct language *languages; /* by id, then version */
	size_t count;
};

struct language_registry *language_registry_create(void)
{
	return calloc(1, sizeof(struct language_registry));
}

static bool has_name(const struct language *language, const char *name)
{
	if (strcmp(language->id, name) == 0)
		return true;
	for (size_t i = 0; language->aliases && language->aliases[i]; i++) {
		if (strcmp(language->aliases[i], name) == 0)
			return true;
	}
	return false;
}

/* A name that both languages have, or NULL. */
static const char *shared_name(const struct language *a, const struct language *b)
{
	if (has_name(b, a->id))
		return a->id;
	for (size_t i = 0; a->aliases && a->aliases[i]; i++) {
		if (has_name(b, a->aliases[i]))
			return a->aliases[i];
	}
	return NULL;
}

static int order(const void *a, const void *b)
{
	const struct language *x = a, *y = b;
	int ids = strcmp(x->id, y->id);

	return ids ? ids : language_version_compare(x->version, y->version);
}

static void sort(struct language_registry *reg)
{
	if (reg->count)
		qsort(reg->languages, reg->count, sizeof(*reg->languages), order);
}

int language_registry_add(struct language_registry *reg, struct language *language, struct err *err)
{
	struct language *grown;
	const char *name;

	for (size_t i = 0; i < reg->count; i++) {
		name = shared_name(language, &reg->languages[i]);
		if (name && strcmp(language->version, reg->languages[i].version) == 0)
			return err_refuse(err, ERR_INTERNAL, "language_invalid", "id",
					  "two languages are named '%s' in the same version: '%s' and '%s'",
					  name, reg->languages[i].name, language->name);
	}
	grown = reallocarray(reg->languages, reg->count + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "language '%s'", language->id);
	reg->languages = grown;
	grown[reg->count++] = *language;
	*language = (struct language){ 0 };
	sort(reg);
	return 0;
}

static int is_language_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static int load_one(struct language_registry *reg, const char *dir, const char *file, struct err *err)
{
	AUTO_FREE char *path = NULL;
	struct language language;
	int r;

	if (asprintf(&path, "%s/%s", dir, file) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "%s", dir);
	}
	r = language_load(path, &language, err);
	if (r < 0)
		return r;
	r = language_registry_add(reg, &language, err);
	if (r < 0) {
		language_finish(&language);
		return err_wrap(err, r, "%s", path);
	}
	return 0;
}

int language_registry_load(const char *dir, struct language_registry **ret, struct err *err)
{
	struct language_registry *reg;
	struct dirent **entries;
	int count, r = 0;

	/* In the order of their names, so that of two faults the same one is told each time. */
	count = scandir(dir, &entries, is_language_file, alphasort);
	if (count < 0)
		return err_set(err, -errno, "folder of languages '%s'", dir);
	reg = language_registry_create();
	if (!reg)
		r = err_set(err, -ENOMEM, "languages");
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = load_one(reg, dir, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	if (r < 0) {
		language_registry_destroy(reg);
		return r;
	}
	*ret = reg;
	return 0;
}

const struct language *language_find(const struct language_registry *reg, const char *id, const char *range)
{
	const struct language *best = NULL, *one;

	for (size_t i = 0; i < reg->count; i++) {
		one = &reg->languages[i];
		if (!has_name(one, id) || !language_version_fits(one->version, range))
			continue;
		if (!best || one->available > best->available ||
		    (one->available == best->available &&
		     language_version_compare(one->version, best->version) > 0))
			best = one;
	}
	return best;
}

const struct language *language_for_file(const struct language_registry *reg, const char *file_name)
{
	const char *dot = strrchr(file_name, '.');
	const struct language *one;

	if (!dot || strchr(dot, '/'))
		return NULL;
	for (size_t i = 0; i < reg->count; i++) {
		one = &reg->languages[i];
		for (size_t e = 0; one->available && one->extensions && one->extensions[e]; e++) {
			/* Of several versions the newest. */
			if (strcmp(one->extensions[e], dot + 1) == 0)
				return language_find(reg, one->id, NULL);
		}
	}
	return NULL;
}

const struct language *language_next(const struct language_registry *reg, const struct language *after)
{
	size_t at = after ? (size_t)(after - reg->languages) + 1 : 0;

	return at < reg->count ? &reg->languages[at] : NULL;
}

/* Finds the first of the alternatives "a|b|c" that exists; copies its path. */
static bool find_alternative(const char *alternatives, bool (*exists)(void *user, const char *path),
			     void *user, char *ret, size_t size)
{
	size_t len;

	for (const char *at = alternatives; *at; at += len + (at[len] == '|')) {
		len = strcspn(at, "|");
		if (len == 0 || len >= size)
			continue;
		snprintf(ret, size, "%.*s", (int)len, at);
		if (exists(user, ret))
			return true;
	}
	return false;
}

static void probe_one(struct language *language, bool (*exists)(void *user, const char *path), void *user)
{
	bool on_host = strcmp(language->image, "host") == 0;
	char path[4096];
	char *version;

	language->available = true;
	for (size_t i = 0; language->requires && language->requires[i]; i++) {
		if (!find_alternative(language->requires[i], exists, user, path, sizeof(path))) {
			language->available = false;
			return;
		}
		if (i > 0 || !on_host || !language->version_from)
			continue;
		if (language_version_probe(path, language->version_from, &version) < 0)
			continue;
		free(language->version);
		language->version = version;
	}
}

void language_registry_probe(struct language_registry *reg, const char *image,
			     bool (*exists)(void *user, const char *path), void *user)
{
	for (size_t i = 0; i < reg->count; i++) {
		if (strcmp(reg->languages[i].image, image) == 0)
			probe_one(&reg->languages[i], exists, user);
	}
	sort(reg);
}

void language_registry_destroy(struct language_registry *reg)
{
	if (!reg)
		return;
	for (size_t i = 0; i < reg->count; i++)
		language_finish(&reg->languages[i]);
	free(reg->languages);
	free(reg);
}
