/* The users of a session, and whose turn it is to run. */
#include "session/task.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define USERS_SHOWN_HOME "/sandboxes/"

int session_user_put(struct session *session, uint32_t number, const char *name, struct session_user **ret,
		     struct err *err)
{
	struct session_user *user = calloc(1, sizeof(*user)), **at = &session->users;

	if (!user)
		return err_set(err, -ENOMEM, "a user");
	user->as.number = number;
	snprintf(user->as.name, sizeof(user->as.name), "%s", name);
	user->last_waiting = &user->first_waiting;
	while (*at)
		at = &(*at)->next;
	*at = user;
	if (number > session->highest_number)
		session->highest_number = number;
	*ret = user;
	return 0;
}

void session_users_free(struct session *session)
{
	while (session->users) {
		struct session_user *user = session->users;

		session->users = user->next;
		free(user);
	}
}

struct session_user *session_user_find(const struct session *session, const char *name)
{
	struct session_user *user = session->users;

	while (user && strcmp(user->as.name, name) != 0)
		user = user->next;
	return user;
}

static int check_new(const struct session *session, const char *name, struct err *err)
{
	const char *fault;

	if (!session_lives(session) || session->ending)
		return err_refuse(err, ERR_CONFLICT, "session_ended", NULL, "session '%s' has ended",
				  session->id);
	if (!session_user_ok(name, &fault))
		return err_refuse(err, ERR_MALFORMED, "bad_name", "name", "name: %s", fault);
	if (session_user_find(session, name))
		return err_refuse(err, ERR_CONFLICT, "user_exists", "name", "there is a user '%s' already",
				  name);
	if (session->highest_number >= ENGINE_SESSION_USERS_MAX)
		return err_refuse(err, ERR_IMPOSSIBLE, "too_many_users", "name",
				  "a session may have %d users in its life", ENGINE_SESSION_USERS_MAX);
	return 0;
}

/* The home, and what is to be in it, as the engine and the store take it. */
static int job_fill(struct files_job *job, const struct session_user *user, struct run_request *from)
{
	uint64_t now_ns = (uint64_t)session_unix_ms() * 1000000;
	json_t *known = json_object();
	int r = known ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < from->files_count + 1; i++) {
		struct run_file *file = i > 0 ? &from->files[i - 1] : NULL;
		struct engine_file to = {
			.mode = file ? file->mode : 0755,
			.is_dir = !file || file->is_dir,
			.owner = user->as.number,
			.mtime_ns = now_ns + i,
		};
		char *path;

		if (asprintf(&path, "%s%s%s", user->as.name, file ? "/" : "", file ? file->name : "") < 0)
			path = NULL;
		to.name = path;
		if (file) {
			to.data = TAKE_PTR(file->data);
			to.len = file->len;
		}
		r = files_job_add(job, &to, known);
	}
	json_decref(known);
	return r;
}

static void user_unlink(struct session *session, struct session_user *user)
{
	struct session_user **at = &session->users;

	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	free(user);
}

static struct session_turn *waiting_take(struct session_user *owner)
{
	struct session_turn *turn = owner->first_waiting;

	owner->first_waiting = turn->next;
	if (!owner->first_waiting)
		owner->last_waiting = &owner->first_waiting;
	owner->waiting--;
	turn->next = NULL;
	return turn;
}

/* Who waits is told so, and then who runs, so that nobody gets his turn. */
static void turns_refuse(struct session_user *owner, const struct err *err)
{
	while (owner->first_waiting) {
		struct session_turn *turn = waiting_take(owner);

		turn->fn(turn->user, err);
		free(turn);
	}
	if (owner->turn)
		owner->turn->end(owner->turn->user, err);
	assert(!owner->turn);
}

/* He is gone: nobody runs as him any more. */
static void user_drop(struct session *session, struct session_user *user, const struct err *err)
{
	user->leaving = true;
	turns_refuse(user, err);
	user_unlink(session, user);
}

/* Whether it has ended, or reached its deadline, and then why nothing comes of what was asked of it. */
static bool session_is_over(const struct session *session, struct err *why)
{
	bool lives = session_lives(session);

	if (lives && session_unix_ms() < session->expires_ms)
		return false;
	err_refuse(why, ERR_CONFLICT, "session_ended", NULL, "session '%s' is %s", session->id,
		   session_state_name(lives ? SESSION_EXPIRED : session->state));
	return true;
}

/* A user on the way to the store, then to the engine. */
struct adding {
	struct files_job *job;
	struct store_file *files;
	uint32_t number;
	char name[ENGINE_SESSION_NAME_SIZE];
	struct session_wait *waits;
};

static void adding_free(struct adding *adding)
{
	files_job_destroy(adding->job);
	free(adding->files);
	free(adding);
}

static void on_waits(void *user, struct session *session, const struct err *err)
{
	struct adding *adding = user;
	struct err why = ERR_INIT;

	/* The engine knows of a session's end before it is told here. */
	if (err && session && session_is_over(session, &why))
		err = &why;
	waits_tell(&adding->waits, session, err);
	adding_free(adding);
}

/* The store has him: now the engine. */
static void on_added(void *user, struct session *session, const struct err *err)
{
	struct adding *adding = user;
	struct session_user *owner = session ? session_user_find(session, adding->name) : NULL;
	struct session_wait *wait;
	const struct session_call call = { .done = on_waits, .user = adding, .ret = &wait };
	struct err why = err ? *err : ERR_INIT;
	char key[sizeof(session->key)] = "";
	struct sessions *all = session ? session->all : NULL;
	int r = why.code;

	if (!session)
		r = err_refuse(&why, ERR_UNKNOWN, "session_unknown", NULL, "the session has been removed");
	else
		snprintf(key, sizeof(key), "%s", session->key);
	if (session && r < 0 && owner && owner->as.number == adding->number)
		user_drop(session, owner, &why);
	if (r == 0)
		session_tell(session, "user_added", json_pack("{s:s}", "user", adding->name));
	if (r == 0 && (!session_lives(session) || session->ending))
		r = err_refuse(&why, ERR_CONFLICT, "session_ended", NULL, "session '%s' has ended",
			       session->id);
	/* What the copy has is put in its place with all else when the session is there. */
	if (r == 0 && (session->there || session->restoring))
		r = files_write(session, TAKE_PTR(adding->job), &call, &why);
	else if (r == 0)
		r = wait_add(&session->opening, &call, &why);
	if (r < 0)
		on_waits(adding, session, &why);
	/* It may be gone. */
	session = all ? session_of_key(all, key) : NULL;
	if (session)
		files_settled(session);
}

static int adding_make(struct session *session, const char *name, struct run_request *files,
		       struct adding **ret, struct err *err)
{
	struct adding *adding = calloc(1, sizeof(*adding));
	struct session_user *user;
	int r;

	if (!adding)
		return err_set(err, -ENOMEM, "a user");
	snprintf(adding->name, sizeof(adding->name), "%s", name);
	r = files_job_make(FILES_WRITE, &adding->job, err);
	if (r == 0)
		r = session_user_put(session, session->highest_number + 1, name, &user, err);
	if (r < 0) {
		adding_free(adding);
		return r;
	}
	adding->number = user->as.number;
	r = job_fill(adding->job, user, files);
	if (r == 0)
		adding->files = calloc(adding->job->files_count, sizeof(*adding->files));
	if (r < 0 || !adding->files) {
		user_unlink(session, user);
		adding_free(adding);
		return err_set(err, -ENOMEM, "a user");
	}
	*ret = adding;
	return 0;
}

int session_user_add(struct session *session, const char *name, struct run_request *files,
		     const struct session_call *call, struct err *err)
{
	struct store_change change = { .user_name = name };
	struct adding *adding = NULL;
	int r = check_new(session, name, err);

	if (r == 0)
		r = adding_make(session, name, files, &adding, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < adding->job->files_count; i++) {
		const struct engine_file *from = &adding->job->files[i];

		adding->files[i] = (struct store_file){
			.path = from->name,
			.kind = from->is_dir ? STORE_FOLDER : STORE_FILE,
			.data = from->data,
			.len = from->len,
			.mode = from->mode,
			.owner = from->owner,
			.mtime_ns = from->mtime_ns,
		};
	}
	change.user_name = adding->name;
	change.user_number = adding->number;
	change.files = adding->files;
	change.files_count = adding->job->files_count;
	r = wait_add(&adding->waits, call, err);
	if (r == 0)
		r = session_copy_apply(session, &change, on_added, adding, err);
	if (r < 0) {
		user_unlink(session, session_user_find(session, name));
		free(adding->waits);
		adding_free(adding);
	} else {
		files_unsettle(session);
	}
	return r;
}

static int removal_make(const char *name, struct files_job **ret, struct err *err)
{
	struct engine_file home = { .name = strdup(name), .is_dir = true, .remove = true };
	json_t *known = json_object();
	int r = files_job_make(FILES_WRITE, ret, err);

	if (r < 0) {
		free((char *)home.name);
	} else if (!known || files_job_add(*ret, &home, known) < 0) {
		files_job_destroy(*ret);
		r = err_set(err, -ENOMEM, "a user");
	}
	json_decref(known);
	return r;
}

/* A user on his way out of the store, then of the engine. */
struct leaving {
	struct session_task task;
	struct store_walk walk;
	struct files_job *job;
	uint32_t number;
	char name[ENGINE_SESSION_NAME_SIZE];
	struct session_wait *waits;
};

static void leaving_free(struct leaving *leaving)
{
	store_walk_finish(&leaving->walk);
	files_job_destroy(leaving->job);
	free(leaving);
}

static int leave_piece(struct session_task *task, struct session_store *store, struct err *err)
{
	struct leaving *leaving = (struct leaving *)task;

	return session_store_user_remove(store, task->key, leaving->number, leaving->name, &leaving->walk,
					 err);
}

static void on_gone(void *user, struct session *session, const struct err *err)
{
	struct leaving *leaving = user;

	waits_tell(&leaving->waits, session, err);
	leaving_free(leaving);
}

static void on_left(struct session_task *task, struct session *session, const struct err *err)
{
	struct leaving *leaving = (struct leaving *)task;
	struct session_wait *wait;
	const struct session_call call = { .done = on_gone, .user = leaving, .ret = &wait };
	struct err why = err ? *err : ERR_INIT;
	struct sessions *all = task->all;
	char key[sizeof(task->key)];
	int r = why.code;

	snprintf(key, sizeof(key), "%s", task->key);
	if (!session)
		r = err_refuse(&why, ERR_UNKNOWN, "session_unknown", NULL, "the session has been removed");
	/* What cannot be written down has not happened. */
	else if (r < 0 && !session_user_find(session, leaving->name))
		(void)!session_user_put(session, leaving->number, leaving->name,
					&(struct session_user *){ NULL }, NULL);
	else if (r == 0 && (!session_lives(session) || session->ending))
		r = err_refuse(&why, ERR_CONFLICT, "session_ended", NULL, "session '%s' has ended",
			       session->id);
	if (r == 0) {
		session_tell(session, "user_removed", json_pack("{s:s}", "user", leaving->name));
		r = files_write(session, TAKE_PTR(leaving->job), &call, &why);
	}
	if (r < 0)
		on_gone(leaving, session, &why);
	/* It may be gone. */
	session = session_of_key(all, key);
	if (session)
		files_settled(session);
}

static int leaving_post(struct session *session, const struct session_user *user,
			const struct session_call *call, struct err *err)
{
	struct leaving *leaving = calloc(1, sizeof(*leaving));
	int r;

	if (!leaving)
		return err_set(err, -ENOMEM, "a user");
	leaving->task.piece = leave_piece;
	leaving->task.done = on_left;
	leaving->number = user->as.number;
	snprintf(leaving->name, sizeof(leaving->name), "%s", user->as.name);
	r = removal_make(user->as.name, &leaving->job, err);
	if (r < 0)
		leaving->job = NULL;
	if (r == 0)
		r = wait_add(&leaving->waits, call, err);
	if (r == 0)
		r = session_task_post(session, &leaving->task, 0, err);
	if (r < 0) {
		free(leaving->waits);
		leaving_free(leaving);
	}
	return r;
}

int session_user_remove(struct session *session, const char *name, const struct session_call *call,
			struct err *err)
{
	struct session_user *user = session_user_find(session, name);
	struct err why = ERR_INIT;
	bool lives = session_lives(session) && !session->ending;
	int r;

	if (!user)
		return err_refuse(err, ERR_UNKNOWN, "user_unknown", "name",
				  "there is no user '%.40s' in this session", name);
	if (!lives || !session->there)
		return err_refuse(err, ERR_CONFLICT, lives ? "session_starting" : "session_ended", NULL,
				  "session '%s' %s", session->id, lives ? "is not open yet" : "has ended");
	r = leaving_post(session, user, call, err);
	if (r < 0)
		return r;
	session->changes++;
	files_unsettle(session);
	err_refuse(&why, ERR_UNKNOWN, "user_unknown", "user", "user '%s' has been removed", name);
	user_drop(session, user, &why);
	return 0;
}

/* Turns */

int session_turn_ask(struct session *session, const char *user_name, const struct session_turn_events *events,
		     void *user_data, struct session_turn **ret, struct err *err)
{
	struct session_user *owner = session_user_find(session, user_name);
	struct session_turn *turn;

	if (!owner)
		return err_refuse(err, ERR_UNKNOWN, "user_unknown", "user",
				  "there is no user '%.40s' in this session", user_name);
	if (!session_lives(session) || session->ending)
		return err_refuse(err, ERR_CONFLICT, "session_ended", NULL,
				  "nothing can run in session '%s': it has ended", session->id);
	if (owner->waiting >= SESSION_TURNS_MAX)
		return err_refuse(err, ERR_BUSY, "user_busy", "user",
				  "%zu runs of this user are waiting already", owner->waiting);
	turn = calloc(1, sizeof(*turn));
	if (!turn)
		return err_set(err, -ENOMEM, "a run");
	*turn = (struct session_turn){
		.session = session, .owner = owner, .fn = events->turn, .end = events->end, .user = user_data
	};
	*ret = turn;
	if (session->state == SESSION_OPEN && !owner->turn && !owner->first_waiting) {
		owner->turn = turn;
		turn->granted = true;
		session->turns++;
		session->dirty = true;
		return 1;
	}
	*owner->last_waiting = turn;
	owner->last_waiting = &turn->next;
	owner->waiting++;
	return 0;
}

static void grant_next(struct session *session, struct session_user *owner)
{
	struct session_turn *turn;

	if (session->state != SESSION_OPEN || session->ending || owner->turn || !owner->first_waiting)
		return;
	turn = waiting_take(owner);
	owner->turn = turn;
	turn->granted = true;
	session->turns++;
	session->dirty = true;
	turn->fn(turn->user, NULL);
}

void session_turns_look(struct session *session)
{
	for (struct session_user *user = session->users, *next; user; user = next) {
		next = user->next;
		grant_next(session, user);
	}
}

void session_turns_end(struct session *session, const struct err *err)
{
	for (struct session_user *user = session->users; user; user = user->next)
		turns_refuse(user, err);
}

void session_turn_member(const struct session_turn *turn, struct run_member *ret)
{
	*ret = (struct run_member){ .session = turn->session->handle, .user = turn->owner->as };
}

bool session_turn_is_over(const struct session_turn *turn, struct err *why)
{
	return session_is_over(turn->session, why);
}

void session_turn_end(struct session_turn *turn)
{
	struct session_turn **at;
	struct session_user *owner;
	struct session *session;

	if (!turn)
		return;
	owner = turn->owner;
	session = turn->session;
	if (turn->granted) {
		owner->turn = NULL;
		session->turns--;
		free(turn);
		if (session_lives(session) && !session->ending && !session->removing) {
			session_sync_soon(session);
			grant_next(session, owner);
		}
		return;
	}
	for (at = &owner->first_waiting; *at != turn;)
		at = &(*at)->next;
	*at = turn->next;
	if (!turn->next)
		owner->last_waiting = at;
	owner->waiting--;
	free(turn);
}

json_t *session_user_to_json(const struct session *session, const struct session_user *user)
{
	AUTO_FREE char *home = NULL;

	if (asprintf(&home, USERS_SHOWN_HOME "%s", user->as.name) < 0)
		home = NULL;
	return home ? json_pack("{s:s, s:s, s:i, s:b, s:i}", "name", user->as.name, "home", home, "number",
				(int)user->as.number, "running", user->turn != NULL, "waiting",
				(int)user->waiting)
		    : NULL;
}
