/* See journal.h. A record is a head, and three texts with their NULs: key, line, detail; in this machine's order. */
#include "session/journal.h"

#include "base/cleanup.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x6b6c6e31u /* "kln1" */

struct head {
	uint32_t magic;
	uint32_t bytes; /* of the texts */
	uint64_t hash;	/* of all that follows */
	int64_t number;
	uint64_t has_detail;
};

struct journal {
	int fd;
	size_t size, waiting; /* bytes in it; lines that are needed */
	char record[sizeof(struct head) + JOURNAL_LINE_MAX];
};

static uint64_t hash_of(const char *record, size_t bytes)
{
	size_t from = offsetof(struct head, number);

	return hash_add(HASH_START, record + from, sizeof(struct head) - from + bytes);
}

int journal_open(const char *dir, struct journal **ret, struct err *err)
{
	AUTO_FREE struct journal *journal = calloc(1, sizeof(*journal));
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (asprintf(&path, "%s/runs.log", dir) < 0)
		path = NULL;
	if (!journal || !path)
		return err_set(err, -ENOMEM, "sessions");
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "sessions: open '%s'", path);
	/* One line more than was added: until it is cleared, all of it stays. */
	journal->size = (uint64_t)st.st_size < JOURNAL_BYTES_MAX ? (size_t)st.st_size : JOURNAL_BYTES_MAX;
	journal->waiting = journal->size > 0;
	journal->fd = TAKE_FD(fd);
	*ret = TAKE_PTR(journal);
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	close(journal->fd);
	free(journal);
}

void journal_clear(struct journal *journal)
{
	/* What stays there is read once more by the next one, and is there already. */
	(void)!ftruncate(journal->fd, 0);
	journal->size = journal->waiting = 0;
}

static int read_at(const struct journal *journal, size_t at, void *data, size_t size)
{
	for (size_t had = 0; had < size;) {
		ssize_t n = pread(journal->fd, (char *)data + had, size - had, (off_t)(at + had));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		had += (size_t)n;
	}
	return 0;
}

/* The text after one of them, which ends before `end`; NULL: there is none. */
static const char *text_after(const char *text, const char *end)
{
	const char *next = text ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	return next ? next + 1 : NULL;
}

/* The record at a place: 1 and the place behind it; 0: there is none, or it is damaged. */
static int read_record(struct journal *journal, size_t *at, const char **ret_key, struct store_line *ret)
{
	struct head head;
	char *texts = journal->record + sizeof(head);
	const char *end, *run, *detail;
	int r = read_at(journal, *at, &head, sizeof(head));

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	if (head.magic != MAGIC || head.bytes < 3 || head.bytes > JOURNAL_LINE_MAX)
		return 0;
	memcpy(journal->record, &head, sizeof(head));
	r = read_at(journal, *at + sizeof(head), texts, head.bytes);
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	end = texts + head.bytes;
	run = text_after(texts, end);
	detail = text_after(run, end);
	if (hash_of(journal->record, head.bytes) != head.hash || !detail || text_after(detail, end) != end)
		return 0;
	*ret_key = texts;
	*ret = (struct store_line){ .run = run,
				    .detail = head.has_detail ? detail : NULL,
				    .number = head.number };
	*at += sizeof(head) + head.bytes;
	return 1;
}

int journal_each(struct journal *journal,
		 int (*each)(void *user, const char *key, const struct store_line *line), void *user,
		 struct err *err)
{
	struct store_line line;
	const char *key;
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < journal->size) {
		r = read_record(journal, &at, &key, &line);
		if (r < 0)
			return err_set(err, r, "sessions: read what was left of the history");
		if (r == 0)
			break;
		r = each(user, key, &line);
	}
	return r;
}

bool journal_is_empty(const struct journal *journal)
{
	return journal->size == 0;
}

static char *append(char *to, const char *text, size_t size)
{
	memcpy(to, text, size);
	return to + size;
}

bool journal_add(struct journal *journal, const char *key, const struct store_line *line)
{
	const char *detail = line->detail ?: "";
	size_t key_size = strlen(key) + 1, run_size = strlen(line->run) + 1, detail_size = strlen(detail) + 1;
	size_t bytes = key_size + run_size + detail_size, size = sizeof(struct head) + bytes;
	struct head head = { .magic = MAGIC,
			     .bytes = (uint32_t)bytes,
			     .number = line->number,
			     .has_detail = line->detail != NULL };
	char *at = journal->record;
	ssize_t n;

	if (bytes > JOURNAL_LINE_MAX || size > JOURNAL_BYTES_MAX - journal->size)
		return false;
	at = append(at + sizeof(head), key, key_size);
	at = append(at, line->run, run_size);
	append(at, detail, detail_size);
	memcpy(journal->record, &head, sizeof(head));
	head.hash = hash_of(journal->record, bytes);
	memcpy(journal->record, &head, sizeof(head));
	do
		n = pwrite(journal->fd, journal->record, size, (off_t)journal->size);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)size) {
		(void)!ftruncate(journal->fd, (off_t)journal->size);
		return false;
	}
	journal->size += size;
	journal->waiting++;
	return true;
}

void journal_done(struct journal *journal, size_t count)
{
	journal->waiting -= count;
	if (journal->waiting == 0)
		journal_clear(journal);
}
