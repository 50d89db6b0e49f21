/*
 * The tables of the store, and what is asked of them.
 *
 * A file's content is a blob of its own, counted by the files that show it and by the versions of the past, so that a
 * fork copies names only and a run costs what it changed. The counts stand in a table of their own, because SQLite
 * writes a whole row anew when one of its columns changes.
 */
#include "session/store_priv.h"

/*
 * A version of a file is open while the file shows it (until is NULL) and past afterwards: that run N left it is
 * since <= N < until. What no run left is none.
 */
#define NEXT_RUN(session) "(SELECT coalesce(max(number), 0) + 1 FROM runs WHERE session = " session ")"

#define HISTORY                                                                                              \
	"CREATE TABLE versions (session TEXT NOT NULL, path TEXT NOT NULL, since INTEGER NOT NULL,"          \
	" until INTEGER, mode INTEGER NOT NULL, owner INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"          \
	" bytes INTEGER NOT NULL, blob INTEGER NOT NULL, PRIMARY KEY (session, path, since)) WITHOUT ROWID;" \
	"CREATE INDEX versions_past ON versions (session, until, bytes) WHERE until IS NOT NULL;"            \
	"CREATE TABLE details (session TEXT NOT NULL, number INTEGER NOT NULL, bytes INTEGER NOT NULL,"      \
	" detail TEXT NOT NULL, PRIMARY KEY (session, number)) WITHOUT ROWID;"                               \
	"CREATE TRIGGER version_made AFTER INSERT ON versions BEGIN"                                         \
	" INSERT INTO counts VALUES (NEW.blob, 1) ON CONFLICT DO UPDATE SET shown = shown + 1; END;"         \
	"CREATE TRIGGER version_gone AFTER DELETE ON versions BEGIN"                                         \
	" UPDATE counts SET shown = shown - 1 WHERE blob = OLD.blob;"                                        \
	" DELETE FROM blobs WHERE id = OLD.blob AND (SELECT shown FROM counts WHERE blob = OLD.blob) = 0;"   \
	" DELETE FROM counts WHERE blob = OLD.blob AND shown = 0; END;"                                      \
	"CREATE TRIGGER version_past AFTER DELETE ON files BEGIN"                                            \
	" DELETE FROM versions WHERE session = OLD.session AND path = OLD.path AND until IS NULL"            \
	" AND since = " NEXT_RUN(                                                                            \
		"OLD.session") ";"                                                                           \
			       " UPDATE versions SET until = " NEXT_RUN(                                     \
				       "OLD.session") " WHERE session = OLD.session AND path = OLD.path "    \
						      "AND until IS NULL; END;"

/*
 * How much each session has, so that saying so costs no walk. The row of a session without a record says that there is
 * something of it to be removed.
 */
#define WEIGHTS                                                                                              \
	"CREATE TABLE weights (session TEXT PRIMARY KEY, files INTEGER NOT NULL, bytes INTEGER NOT NULL)"    \
	" WITHOUT ROWID;"                                                                                    \
	"CREATE TRIGGER file_weighs AFTER INSERT ON files WHEN NEW.kind <> 1 BEGIN"                          \
	" INSERT INTO weights VALUES (NEW.session, 1, NEW.bytes) ON CONFLICT DO UPDATE SET"                  \
	" files = files + 1, bytes = bytes + excluded.bytes; END;"                                           \
	"CREATE TRIGGER file_weighed AFTER DELETE ON files WHEN OLD.kind <> 1 BEGIN"                         \
	" UPDATE weights SET files = files - 1, bytes = bytes - OLD.bytes WHERE session = OLD.session; END;"

const char store_schema[] =
	"CREATE TABLE sessions (key TEXT PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, spec TEXT NOT "
	"NULL,"
	" state TEXT NOT NULL, reason TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT "
	"NULL,"
	" ended_ms INTEGER NOT NULL, runs INTEGER NOT NULL, kept INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX session_names ON sessions (tenant, id);"
	"CREATE TABLE users (session TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,"
	" gone INTEGER NOT NULL, PRIMARY KEY (session, number)) WITHOUT ROWID;"
	"CREATE TABLE files (seq INTEGER PRIMARY KEY, session TEXT NOT NULL, path TEXT NOT NULL,"
	" kind INTEGER NOT NULL, mode INTEGER NOT NULL, owner INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, round INTEGER NOT NULL, blob INTEGER NOT NULL, UNIQUE (session, path));"
	"CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE counts (blob INTEGER PRIMARY KEY, shown INTEGER NOT NULL);"
	"CREATE TABLE runs (session TEXT NOT NULL, number INTEGER NOT NULL, run TEXT NOT NULL,"
	" PRIMARY KEY (session, number)) WITHOUT ROWID;"
	"CREATE TRIGGER file_made AFTER INSERT ON files BEGIN"
	" INSERT INTO counts VALUES (NEW.blob, 1) ON CONFLICT DO UPDATE SET shown = shown + 1; END;"
	"CREATE TRIGGER file_gone AFTER DELETE ON files BEGIN"
	" UPDATE counts SET shown = shown - 1 WHERE blob = OLD.blob;"
	" DELETE FROM blobs WHERE id = OLD.blob AND (SELECT shown FROM counts WHERE blob = OLD.blob) = 0;"
	" DELETE FROM counts WHERE blob = OLD.blob AND shown = 0; END;" HISTORY WEIGHTS;

/* What was there before is text if it looks so: whoever reads it looks again. */
const char store_schema_from_1[] = HISTORY "INSERT INTO versions SELECT session, path, " NEXT_RUN(
	"files.session") ", NULL, mode, owner, mtime_ns,"
			 " bytes, blob FROM files JOIN blobs ON blobs.id = files.blob"
			 " WHERE kind = 0 AND bytes <= 262144 AND instr(data, x'00') = 0;";

const char store_schema_from_2[] = WEIGHTS "INSERT INTO weights SELECT session, count(*), sum(bytes)"
					   " FROM files WHERE kind <> 1 GROUP BY session;";

/*
 * With a folder what is in it. "0" is the character behind "/". The first two bound the part of the index that is
 * looked at; with the other alone it would be all of a session for each file.
 */
#define AT_OR_BELOW(path)                                                                                    \
	"(path >= " path " AND path < " path " || '0' AND (path = " path " OR path > " path " || '/'))"
/* A name that came again is that of another user. */
#define NUMBER_OF(session_key, user_name)                                                                    \
	"(SELECT number FROM users WHERE session = " session_key " AND name = " user_name " AND NOT gone)"
#define LEFT_BY(run) "since <= " run " AND (until IS NULL OR until > " run ")"

const char *const store_statements[STATEMENT_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SESSION_PUT] =
		"INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
		"SET"
		" spec = excluded.spec, state = excluded.state, reason = excluded.reason,"
		" expires_ms = excluded.expires_ms, ended_ms = excluded.ended_ms, runs = excluded.runs,"
		" kept = excluded.kept",
	[SESSION_EACH] =
		"SELECT key, tenant, id, spec, state, reason, created_ms, expires_ms, ended_ms, runs, kept"
		" FROM sessions ORDER BY created_ms, key",
	[SESSION_REMOVE] = "DELETE FROM sessions WHERE key = ?",
	[SESSION_USERS_REMOVE] = "DELETE FROM users WHERE session = ?",
	[SESSION_MARK] = "INSERT OR IGNORE INTO weights VALUES (?, 0, 0)",
	[SESSION_UNMARK] = "DELETE FROM weights WHERE session = ?",
	[SESSION_ORPHANS] = "SELECT session FROM weights WHERE session NOT IN (SELECT key FROM sessions)",
	[SESSION_RUNS_REMOVE] = "DELETE FROM runs WHERE session = ?",
	[SESSION_DETAILS_REMOVE] = "DELETE FROM details WHERE session = ?",
	[SESSION_VERSIONS_REMOVE] = "DELETE FROM versions WHERE session = ?1 AND path IN"
				    " (SELECT path FROM versions WHERE session = ?1 ORDER BY path LIMIT 128)",
	[USER_ADD] = "INSERT INTO users VALUES (?, ?, ?, 0)",
	[USER_REMOVE] = "UPDATE users SET gone = 1 WHERE session = ? AND number = ?",
	[USER_EACH] = "SELECT number, name, gone FROM users WHERE session = ? ORDER BY number",
	[FILE_REMOVE] = "DELETE FROM files WHERE session = ?1 AND " AT_OR_BELOW("?2"),
	[FOLDER_REPLACE] = "DELETE FROM files WHERE session = ? AND path = ?",
	[FILE_SAME] =
		"SELECT seq FROM files JOIN blobs ON blobs.id = files.blob WHERE session = ? AND path = ?"
		" AND kind = ? AND data = ?",
	[FILE_KEEP] = "UPDATE files SET mode = ?, owner = ?, mtime_ns = ?, round = ? WHERE seq = ?",
	[LIST_UNSEEN] = "SELECT seq, bytes FROM files WHERE session = ? AND round <> ?",
	[LIST_ALL] =
		"SELECT seq, bytes FROM files WHERE session = ?1"
		" AND (?2 IS NULL OR " AT_OR_BELOW(
			"?2") ")"
			      " ORDER BY kind <> 1, CASE kind WHEN 1 THEN path ELSE '' END, mtime_ns, seq",
	/* A number may have been given to a file of another session since. */
	[ROW_READ] = "SELECT path, kind, mode, owner, mtime_ns, data FROM files"
		     " JOIN blobs ON blobs.id = files.blob WHERE seq = ? AND session = ?",
	[ROW_REMOVE] = "DELETE FROM files WHERE seq = ? AND session = ?",
	[ROW_COPY] = "INSERT INTO files (session, path, kind, mode, owner, mtime_ns, bytes, round, blob)"
		     " SELECT ?3, path, kind, mode, owner, mtime_ns, bytes, 0, blob FROM files"
		     " WHERE seq = ?1 AND session = ?2",
	[ROW_COPY_VERSION] =
		"INSERT INTO versions SELECT ?3, path, 1, NULL, mode, owner, mtime_ns, bytes, blob"
		" FROM versions WHERE session = ?2 AND until IS NULL"
		" AND path = (SELECT path FROM files WHERE seq = ?1 AND session = ?2)",
	/* No more rows are looked at than a request may have files. */
	[NAMES] = "SELECT path FROM (SELECT path, kind, mtime_ns, seq FROM files WHERE session = ?1"
		  " AND path > ?2 || '/' AND path < ?2 || '0' LIMIT ?3) WHERE kind = 0"
		  " ORDER BY mtime_ns, seq",
	[BLOB_ADD] = "INSERT INTO blobs (data) VALUES (?)",
	[FILE_ADD] = "INSERT INTO files (session, path, kind, mode, owner, mtime_ns, bytes, round, blob)"
		     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[VERSION_ADD] = "INSERT INTO versions VALUES (?1, ?2, " NEXT_RUN("?1") ", NULL, ?3, ?4, ?5, ?6, ?7)",
	[FILE_WEIGH] = "SELECT files, bytes FROM weights WHERE session = ?",
	[RUN_ADD] = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)",
	[RUN_IS_NEW] = "SELECT 1 FROM sessions WHERE key = ?1 AND ?2 >"
		       " (SELECT coalesce(max(number), 0) FROM runs WHERE session = ?1)",
	[RUN_FORGET] = "DELETE FROM runs WHERE session = ? AND number <= ?",
	[RUN_EACH] = "SELECT runs.number, run, NULL, details.number IS NOT NULL FROM runs LEFT JOIN details"
		     " ON details.session = runs.session AND details.number = runs.number"
		     " WHERE runs.session = ? AND runs.number > ? ORDER BY runs.number",
	[RUN_LINE] = "SELECT runs.number, run, NULL, details.number IS NOT NULL FROM runs LEFT JOIN details"
		     " ON details.session = runs.session AND details.number = runs.number"
		     " WHERE runs.session = ? AND runs.number = ?",
	[RUN_ONE] = "SELECT runs.number, run, detail, detail IS NOT NULL FROM runs LEFT JOIN details"
		    " ON details.session = runs.session AND details.number = runs.number"
		    " WHERE runs.session = ? AND runs.number = ?",
	[RUN_FILES] = "SELECT path, 0, mode, owner, mtime_ns, data FROM versions"
		      " JOIN blobs ON blobs.id = versions.blob WHERE session = ?1 AND " AT_OR_BELOW(
			      "?2") " AND " LEFT_BY("?3") " ORDER BY path",
	[DETAIL_ADD] = "INSERT OR REPLACE INTO details VALUES (?1, ?2, length(CAST(?3 AS BLOB)), ?3)",
	[DETAIL_FORGET] = "DELETE FROM details WHERE session = ? AND number <= ?",
	[DETAIL_FORGET_OLDEST] = "DELETE FROM details WHERE session = ?1"
				 " AND number = (SELECT min(number) FROM details WHERE session = ?1)",
	[DETAIL_FORGET_ALL] = "DELETE FROM details",
	/* What only runs left whose details are gone. */
	[VERSION_FORGET] = "DELETE FROM versions WHERE session = ?1 AND until <= coalesce("
			   "(SELECT min(number) FROM details WHERE session = ?1), " NEXT_RUN("?1") ")",
	[VERSION_FORGET_ALL] = "DELETE FROM versions WHERE until IS NOT NULL",
	[PAST_WEIGH] = "SELECT coalesce((SELECT sum(bytes + 1024) FROM versions WHERE session = ?1"
		       " AND until IS NOT NULL), 0)"
		       " + coalesce((SELECT sum(bytes) FROM details WHERE session = ?1), 0)",
	[COPY_USERS] = "INSERT INTO users SELECT ?1, number, name, gone FROM users"
		       " WHERE session = ?2 AND (?3 IS NULL OR name = ?3 OR gone)",
	[COPY_HOME] = "INSERT INTO files (session, path, kind, mode, owner, mtime_ns, bytes, round, blob)"
		      " SELECT ?1, path, kind, mode, owner, mtime_ns, bytes, 0, blob FROM files"
		      " WHERE session = ?2 AND path = ?3 AND kind = 1",
	[COPY_RUN_FILES] =
		"INSERT INTO files (session, path, kind, mode, owner, mtime_ns, bytes, round, blob)"
		" SELECT ?1, path, 0, mode, " NUMBER_OF(
			"?2", "?3") ", mtime_ns, bytes, 0, blob FROM versions"
				    " WHERE session = ?2 AND " AT_OR_BELOW("?3") " AND " LEFT_BY(
					    "?4") " ORDER BY mtime_ns",
	[COPY_RUN_VERSIONS] = "INSERT INTO versions SELECT ?1, path, 1, NULL, mode, " NUMBER_OF(
		"?2", "?3") ", mtime_ns, bytes, "
			    "blob FROM versions"
			    " WHERE session = ?2 AND " AT_OR_BELOW("?3") " AND " LEFT_BY("?4"),
};
