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

bool language_has_name(const struct language *language, const char *name)
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
	if (language_has_name(b, a->id))
		return a->id;
	for (size_t i = 0; a->aliases && a->aliases[i]; i++) {
		if (language_has_name(b, a->aliases[i]))
			return a->aliases[i];
	}
	return NULL;
}

static int order(const void *a, const void *b)
{
	const struct language *x = a, *y = b;
	int ids = strcmp(x->id, y->id);
	int versions = ids ? ids : language_version_compare(x->version, y->version);

	return versions ? versions : strcmp(x->image, y->image);
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
		if (name && strcmp(language->version, reg->languages[i].version) == 0 &&
		    strcmp(language->image, reg->languages[i].image) == 0)
			return err_refuse(
				err, ERR_INTERNAL, "language_invalid", "id",
				"two languages are named '%s' in the same version and image: '%s' and '%s'",
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

static int load_one(const char *dir, const char *file, struct language_list *ret, struct err *err)
{
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, file) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "%s", dir);
	}
	return language_load(path, ret, err);
}

static void remove_at(struct language_registry *reg, size_t at)
{
	language_finish(&reg->languages[at]);
	reg->count--;
	memmove(&reg->languages[at], &reg->languages[at + 1], (reg->count - at) * sizeof(*reg->languages));
}

static void remove_alias(struct language *language, const char *name)
{
	size_t to = 0;

	for (size_t i = 0; language->aliases && language->aliases[i]; i++) {
		if (strcmp(language->aliases[i], name) == 0)
			free(language->aliases[i]);
		else
			language->aliases[to++] = language->aliases[i];
	}
	if (language->aliases)
		language->aliases[to] = NULL;
}

/* Takes the names of a site's language from those that were there. */
static void give_way(struct language_registry *reg, const struct language *language)
{
	for (size_t i = reg->count; i > 0; i--) {
		struct language *one = &reg->languages[i - 1];

		if (strcmp(one->id, language->id) == 0 || language_has_name(language, one->id)) {
			remove_at(reg, i - 1);
			continue;
		}
		remove_alias(one, language->id);
		for (size_t a = 0; language->aliases && language->aliases[a]; a++)
			remove_alias(one, language->aliases[a]);
	}
}

static int add_list(struct language_registry *reg, struct language_list *list, bool site, struct err *err)
{
	int r = 0;

	for (size_t i = 0; site && i < list->count; i++)
		give_way(reg, &list->items[i]);
	for (size_t i = 0; r == 0 && i < list->count; i++)
		r = language_registry_add(reg, &list->items[i], err);
	return r;
}

static int load_dir(struct language_registry *reg, const char *dir, bool site, struct err *err)
{
	struct dirent **entries;
	int count, r = 0;

	/* In the order of their names, so that of two faults the same one is told each time. */
	count = scandir(dir, &entries, is_language_file, alphasort);
	if (count < 0)
		return err_set(err, -errno, "folder of languages '%s'", dir);
	for (int i = 0; i < count; i++) {
		struct language_list list = { 0 };

		if (r == 0)
			r = load_one(dir, entries[i]->d_name, &list, err);
		if (r == 0) {
			r = add_list(reg, &list, site, err);
			r = r < 0 ? err_wrap(err, r, "%s/%s", dir, entries[i]->d_name) : 0;
		}
		language_list_finish(&list);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int language_registry_load(const char *dir, struct language_registry **ret, struct err *err)
{
	struct language_registry *reg = language_registry_create();
	int r;

	if (!reg)
		return err_set(err, -ENOMEM, "languages");
	r = load_dir(reg, dir, false, err);
	if (r < 0) {
		language_registry_destroy(reg);
		return r;
	}
	*ret = reg;
	return 0;
}

int language_registry_load_site(struct language_registry *reg, const char *dir, struct err *err)
{
	struct err own = ERR_INIT;
	int r = load_dir(reg, dir, true, &own);

	if (r == -ENOENT)
		return 0;
	if (r < 0 && err)
		*err = own;
	return r;
}

bool language_is_better(const struct language *one, const struct language *best)
{
	int versions;

	if (one->available != best->available)
		return one->available;
	versions = language_version_compare(one->version, best->version);
	if (versions != 0)
		return versions > 0;
	return strcmp(best->image, "host") == 0 && strcmp(one->image, "host") != 0;
}

const struct language *language_find(const struct language_registry *reg, const char *id, const char *range)
{
	const struct language *best = NULL, *one;

	for (size_t i = 0; i < reg->count; i++) {
		one = &reg->languages[i];
		if (!language_has_name(one, id) || !language_version_fits(one->version, range))
			continue;
		if (!best || language_is_better(one, best))
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

void language_set_available(struct language_registry *reg, const struct language *language, bool available)
{
	reg->languages[language - reg->languages].available = available;
}

int language_registry_add_site(struct language_registry *reg, const char *name, const uint8_t *data,
			       size_t len, struct err *err)
{
	struct language_list list;
	int r;

	r = language_parse(name, data, len, &list, err);
	if (r < 0)
		return r;
	r = add_list(reg, &list, true, err);
	language_list_finish(&list);
	return r < 0 ? err_wrap(err, r, "%s", name) : 0;
}

int language_file_id(const char *name, const uint8_t *data, size_t len, char **ret, struct err *err)
{
	struct language_list list;
	int r;

	r = language_parse(name, data, len, &list, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list.items[0].id);
	language_list_finish(&list);
	return 0;
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
