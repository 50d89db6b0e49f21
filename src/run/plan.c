/*
 * How it works: a `draft` collects what the request leads to. First whatever may be refused is looked up and
 * checked, then the steps are written, and only when nothing can fail any more the files and bytes move from
 * request to plan, so that a refused request is still whole.
 */
#include "run/plan.h"

#include "run/language_priv.h"
#include "run/plan_priv.h"
#include "run/source_class.h"

#include "base/cleanup.h"
#include "base/strv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 64

struct draft {
	const struct run_request *req;
	const struct plan_context *context;
	const struct language *language; /* NULL: an image run */
	char *image;			 /* canonical, of steps that name none */
	const char *entry;
	struct run_file
		*renamed; /* the entry, which has the name that the language demands; NULL: it had it */
	char *old_name;	  /* of that file */
	char class_name[2 * SOURCE_CLASS_MAX]; /* for {class}; "" when not found */
	struct run_plan *plan;
};

/*
 * A copy of its canonical name, since the next question may change what this one was answered; NULL: none, no
 * memory.
 */
static char *find_image(const struct plan_context *context, const char *name)
{
	const char *found = context->image_find ? context->image_find(context->user, name) : NULL;

	return found ? strdup(found) : NULL;
}

/* Says which of the reasons for not having a language it is. */
static int refuse_language(const struct draft *draft, struct err *err)
{
	const char *name = draft->req->language, *range = draft->req->version_range;
	const struct language *any = language_find(draft->context->languages, name, NULL);

	if (!any)
		return err_refuse(err, ERR_UNKNOWN, "language_unknown", "language",
				  "there is no language '%.64s'", name);
	if (!language_range_valid(range))
		return err_refuse(err, ERR_MALFORMED, "version_range_malformed", "language",
				  "'%.64s' is not a range of versions", range);
	if (!*any->version)
		return err_refuse(err, ERR_UNKNOWN, "language_unknown", "language",
				  "the version of language '%.64s' on this node is not known, so that "
				  "'%.64s' cannot be "
				  "promised",
				  name, range);
	return err_refuse(err, ERR_UNKNOWN, "language_unknown", "language",
			  "no version of language '%.64s' here fits '%.64s': the newest is %.64s", name,
			  range, any->version);
}

static int choose_language(struct draft *draft, struct err *err)
{
	const struct language *language;

	language = draft->context->language;
	if (!language)
		language = language_find(draft->context->languages, draft->req->language,
					 draft->req->version_range);
	if (!language)
		return refuse_language(draft, err);
	draft->image = find_image(draft->context, language->image);
	if (!draft->image)
		return err_refuse(
			err, ERR_UNKNOWN, "language_unavailable", "language",
			"language '%s' needs image '%s', which this node does not have: `kiln image build` "
			"or `kiln image pull` makes it",
			language->id, language->image);
	if (!language->available)
		return err_refuse(err, ERR_UNKNOWN, "language_unavailable", "language",
				  "language '%s' is not installed in image '%s' of this node", language->id,
				  language->image);
	draft->language = language;
	return 0;
}

static int choose_image(struct draft *draft, struct err *err)
{
	const struct run_request *req = draft->req;

	if (!req->image)
		return err_refuse(err, ERR_IMPOSSIBLE, "nothing_to_run", "language",
				  "a run needs `language`, or `image` with `steps`");
	if (req->steps_count == 0)
		return err_refuse(err, ERR_IMPOSSIBLE, "nothing_to_run", "steps",
				  "a run of an image needs `steps` that say what to run");
	draft->image = find_image(draft->context, req->image);
	if (!draft->image)
		return err_refuse(err, ERR_UNKNOWN, "image_unknown", "image",
				  "there is no image '%.128s' on this node", req->image);
	return 0;
}

static const struct run_file *find_file(const struct run_request *req, const char *name)
{
	for (size_t i = 0; i < req->files_count; i++) {
		if (!req->files[i].is_dir && strcmp(req->files[i].name, name) == 0)
			return &req->files[i];
	}
	return NULL;
}

static bool has_main(const struct run_file *file)
{
	struct source_class found;

	source_class_find(file->data, file->len, &found);
	return found.main_type[0] != '\0';
}

/* The file to run when nobody says which: in languages with classes the first with a main method. */
static const struct run_file *first_file(const struct draft *draft)
{
	const struct run_request *req = draft->req;
	bool classes = draft->language && draft->language->source_class != CLASS_RULE_NONE;
	const struct run_file *first = NULL;

	for (size_t i = 0; i < req->files_count; i++) {
		if (req->files[i].is_dir)
			continue;
		if (!first)
			first = &req->files[i];
		if (!classes || has_main(&req->files[i]))
			return classes ? &req->files[i] : first;
	}
	return first;
}

/*
 * The request's entry, else the language's source file when it is there, else the first file; none is no error
 * yet.
 */
static int choose_entry(struct draft *draft, struct err *err)
{
	const struct run_request *req = draft->req;
	const struct run_file *file;

	if (req->entry) {
		if (!find_file(req, req->entry))
			return err_refuse(err, ERR_IMPOSSIBLE, "entry_unknown", "entry",
					  "entry '%.256s' is not among the files", req->entry);
		draft->entry = req->entry;
		return 0;
	}
	if (draft->language && find_file(req, draft->language->source_file)) {
		draft->entry = draft->language->source_file;
		return 0;
	}
	file = first_file(draft);
	if (file)
		draft->entry = file->name;
	return 0;
}

/*
 * Gives the entry the name of its public class where the compiler demands it, unless another file has that
 * name. The file keeps its folder.
 */
static int name_after_class(struct draft *draft, struct run_file *file, const char *type, struct err *err)
{
	const char *slash = strrchr(file->name, '/');
	int folder = slash ? (int)(slash - file->name) + 1 : 0;
	char *name;

	if (asprintf(&name, "%.*s%s.java", folder, file->name, type) < 0)
		return err_set(err, -ENOMEM, "plan");
	if (find_file(draft->req, name)) {
		free(name);
		return 0;
	}
	draft->renamed = file;
	draft->old_name = file->name;
	file->name = name;
	draft->entry = name;
	return 0;
}

static int choose_class(struct draft *draft, struct err *err)
{
	struct run_file *file;
	struct source_class found;
	const char *type;

	if (!draft->entry || !draft->language || draft->language->source_class == CLASS_RULE_NONE)
		return 0;
	file = (struct run_file *)find_file(draft->req, draft->entry);
	source_class_find(file->data, file->len, &found);
	type = found.main_type[0] ? found.main_type : found.public_type;
	if (*type)
		snprintf(draft->class_name, sizeof(draft->class_name), "%s%s%s", found.package,
			 *found.package ? "." : "", type);
	return found.public_type[0] ? name_after_class(draft, file, found.public_type, err) : 0;
}

/* A request that is refused is as it was. */
static void undo_renaming(struct draft *draft)
{
	if (!draft->renamed)
		return;
	free(draft->renamed->name);
	draft->renamed->name = TAKE_PTR(draft->old_name);
}

static int check_sources(const struct draft *draft, char *const *command, const struct plan_sources *sources,
			 struct err *err)
{
	if (plan_command_needs(command, "entry") && !sources->entry)
		return err_refuse(err, ERR_IMPOSSIBLE, "nothing_to_run", "files",
				  "there are no files: language '%s' needs one to run, such as %s",
				  draft->language->id, draft->language->source_file);
	if (plan_command_needs(command, "files") && !plan_has_sources(sources))
		return err_refuse(err, ERR_IMPOSSIBLE, "nothing_to_run", "files",
				  "none of the files is source of language '%s', such as %s",
				  draft->language->id, draft->language->source_file);
	return 0;
}

static int copy_text(char **ret, const char *text, struct err *err)
{
	*ret = strdup(text);
	return *ret ? 0 : err_set(err, -ENOMEM, "plan");
}

static int copy_texts(char ***ret, char *const *texts, struct err *err)
{
	if (!texts || !texts[0])
		return 0;
	*ret = strv_copy(texts);
	return *ret ? 0 : err_set(err, -ENOMEM, "plan");
}

/*
 * What kiln gives, then the image (plan_image.c), then the language, then for the run step the request, then
 * the step.
 */
static int write_env(struct plan_step *step, char *const *language, char *const *request, char *const *own,
		     struct err *err)
{
	int r;

	r = plan_env_merge(&step->envp, language);
	if (r == 0)
		r = plan_env_merge(&step->envp, request);
	if (r == 0)
		r = plan_env_merge(&step->envp, own);
	return r < 0 ? err_set(err, r, "plan") : 0;
}

static int append_args(struct plan_step *step, char *const *args, struct err *err)
{
	for (; args && *args; args++) {
		if (strv_append(&step->argv, *args, strlen(*args)) < 0)
			return err_set(err, -ENOMEM, "plan");
	}
	return 0;
}

/*
 * A step of the language itself, "compile" or "run"; the latter is the last and gets what the request has for
 * it.
 */
static int write_language_step(struct draft *draft, const char *name, const struct language_step *from,
			       bool is_run, struct err *err)
{
	const struct run_request *req = draft->req;
	struct plan_step *step = &draft->plan->steps[draft->plan->steps_count++];
	struct plan_sources sources = {
		.files = req->files,
		.files_count = req->files_count,
		.extensions = draft->language->extensions,
		.entry = draft->entry,
		.class_name = draft->class_name[0] ? draft->class_name : NULL,
	};
	int r;

	r = check_sources(draft, from->command, &sources, err);
	if (r < 0)
		return r;
	step->limits = plan_limits_resolve(&from->limits, &req->limits, NULL, &draft->context->ceilings);
	sources.memory_bytes = step->limits.value[LIMIT_MEMORY_BYTES];
	if (plan_command_fill(from->command, &sources, &step->argv) < 0)
		return err_set(err, -ENOMEM, "plan");
	r = copy_text(&step->name, name, err);
	if (r == 0)
		r = copy_text(&step->image, draft->image, err);
	if (r == 0)
		r = plan_image_apply(step, draft->context, false, NULL, err);
	if (r == 0)
		r = copy_texts(&step->keep, from->keep, err);
	if (r == 0)
		r = write_env(step, from->env, is_run ? req->env : NULL, NULL, err);
	if (r == 0 && is_run)
		r = append_args(step, req->args, err);
	return r;
}

/* Once all is known of the first step: whether it can be the one that its language starts ahead. */
static void choose_warm(struct draft *draft)
{
	const struct language_warm *warm = draft->language ? draft->language->warm : NULL;
	struct plan_step *step = &draft->plan->steps[0];
	bool is_run = draft->plan->steps_count == 1;

	if (!draft->context->hot || !warm || draft->req->steps_count > 0 || draft->req->tty.rows)
		return;
	step->hot = language_warm_fits(warm, step->argv, step->envp, is_run ? draft->req->env : NULL,
				       &step->limits);
	if (step->hot)
		draft->plan->warm = &warm->engine;
}

static int write_language_steps(struct draft *draft, struct err *err)
{
	const struct language *language = draft->language;
	int r = 0;

	draft->plan->steps = calloc(2, sizeof(*draft->plan->steps));
	if (!draft->plan->steps)
		return err_set(err, -ENOMEM, "plan");
	if (language->compile.command)
		r = write_language_step(draft, "compile", &language->compile, false, err);
	if (r == 0)
		r = write_language_step(draft, "run", &language->run, true, err);
	return r;
}

/* A step without a name is called by its place; the last one is what API.md calls the run step. */
static int name_step(struct plan_step *step, const struct run_step_request *from, size_t at, bool last,
		     struct err *err)
{
	char name[32];

	if (from->name)
		return copy_text(&step->name, from->name, err);
	snprintf(name, sizeof(name), "step%zu", at + 1);
	return copy_text(&step->name, last ? "run" : name, err);
}

static int step_image(const struct draft *draft, const struct run_step_request *from, size_t at, char **ret,
		      struct err *err)
{
	char field[64];

	*ret = from->image ? find_image(draft->context, from->image) : strdup(draft->image);
	if (*ret)
		return 0;
	if (!from->image)
		return err_set(err, -ENOMEM, "plan");
	snprintf(field, sizeof(field), "steps[%zu].image", at);
	return err_refuse(err, ERR_UNKNOWN, "image_unknown", field,
			  "%s: there is no image '%.128s' on this node", field, from->image);
}

static int check_step(const struct draft *draft, const struct run_step_request *from, size_t at,
		      struct err *err)
{
	char field[64];

	if (!from->command || !from->command[0] || !*from->command[0]) {
		snprintf(field, sizeof(field), "steps[%zu].command", at);
		return err_refuse(err, ERR_IMPOSSIBLE, "nothing_to_run", field, "%s: names no program",
				  field);
	}
	snprintf(field, sizeof(field), "steps[%zu].limits", at);
	return plan_limits_check(&from->limits, &draft->context->ceilings, field, err);
}

/*
 * Another image needs another sandbox. So does a step that names its image, be it the same one, behind a step
 * that says what to keep: who writes both means a hand-over of just that.
 */
static bool wants_fresh_sandbox(const struct draft *draft, size_t at, const char *image)
{
	const struct run_step_request *steps = draft->req->steps;

	if (at == 0)
		return false;
	if (strcmp(image, draft->plan->steps[at - 1].image) != 0)
		return true;
	return steps[at].image && steps[at - 1].keep && steps[at - 1].keep[0];
}

static int write_request_step(struct draft *draft, size_t at, struct err *err)
{
	const struct run_request *req = draft->req;
	const struct run_step_request *from = &req->steps[at];
	const struct language_step *defaults = draft->language ? &draft->language->run : NULL;
	struct plan_step *step = &draft->plan->steps[at];
	bool last = at + 1 == req->steps_count;
	int r;

	r = check_step(draft, from, at, err);
	draft->plan->steps_count++;
	if (r == 0)
		r = step_image(draft, from, at, &step->image, err);
	if (r < 0)
		return r;
	step->fresh = wants_fresh_sandbox(draft, at, step->image);
	step->limits = plan_limits_resolve(defaults ? &defaults->limits : NULL, &req->limits, &from->limits,
					   &draft->context->ceilings);
	r = name_step(step, from, at, last, err);
	/* Whoever names an image means it as its maker does; a language's commands are whole. */
	if (r == 0)
		r = plan_image_apply(step, draft->context, from->image || !draft->language,
				     req->files_count == 0 && !step->fresh ? &step->in_pwd : NULL, err);
	for (size_t i = 0; r == 0 && from->command[i]; i++)
		r = strv_append(&step->argv, from->command[i], strlen(from->command[i])) < 0
			    ? err_set(err, -ENOMEM, "plan")
			    : 0;
	if (r == 0 && last)
		r = append_args(step, req->args, err);
	if (r == 0)
		r = copy_texts(&step->keep, from->keep, err);
	if (r == 0)
		r = write_env(step, defaults ? defaults->env : NULL, last ? req->env : NULL, from->env, err);
	return r;
}

static int write_request_steps(struct draft *draft, struct err *err)
{
	size_t count = draft->req->steps_count;
	int r = 0;

	if (count > STEPS_MAX)
		return err_refuse(err, ERR_IMPOSSIBLE, "too_many_steps", "steps",
				  "%zu steps are more than %d", count, STEPS_MAX);
	draft->plan->steps = calloc(count, sizeof(*draft->plan->steps));
	if (!draft->plan->steps)
		return err_set(err, -ENOMEM, "plan");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = write_request_step(draft, i, err);
	return r;
}

static int check_files(const struct draft *draft, struct err *err)
{
	uint64_t need = plan_files_bytes(draft->req->files, draft->req->files_count);
	int64_t disk = draft->plan->steps[0].limits.value[LIMIT_DISK_BYTES];

	if (need <= (uint64_t)disk)
		return 0;
	return err_refuse(err, ERR_IMPOSSIBLE, "limit_too_low", "limits.disk_bytes",
			  "limits.disk_bytes: %lld is less than the files of the request need, %llu",
			  (long long)disk, (unsigned long long)need);
}

/* What every terminal that somebody looks at today understands, unless the request knows better. */
static int name_terminal(struct draft *draft, struct err *err)
{
	struct plan_step *last = &draft->plan->steps[draft->plan->steps_count - 1];

	if (!draft->req->tty.rows)
		return 0;
	for (char **at = last->envp; at && *at; at++) {
		if (strncmp(*at, "TERM=", 5) == 0)
			return 0;
	}
	return plan_env_set(&last->envp, "TERM", 4, "xterm-256color") < 0 ? err_set(err, -ENOMEM, "plan") : 0;
}

/* What is there already is not sent again. */
static void forget_there(struct run_plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->files_count; i++) {
		if (plan->files[i].there) {
			free(plan->files[i].name);
			free(plan->files[i].data);
		} else {
			plan->files[kept++] = plan->files[i];
		}
	}
	plan->files_count = kept;
}

/* Moves what is large. Nothing here can fail. */
static void take_bytes(struct run_plan *plan, struct run_request *req)
{
	struct plan_step *last = &plan->steps[plan->steps_count - 1];

	for (size_t i = 0; i < req->steps_count; i++) {
		if (!req->steps[i].has_stdin)
			continue;
		plan->steps[i].stdin_bytes = req->steps[i].stdin_bytes;
		req->steps[i].stdin_bytes = (struct run_bytes){ 0 };
	}
	if (req->steps_count == 0 || !req->steps[req->steps_count - 1].has_stdin) {
		last->stdin_bytes = req->stdin_bytes;
		req->stdin_bytes = (struct run_bytes){ 0 };
	}
	plan->files = TAKE_PTR(req->files);
	plan->files_count = req->files_count;
	req->files_count = 0;
	forget_there(plan);
	plan->collect = req->collect;
	plan->collect_globs = TAKE_PTR(req->collect_globs);
	plan->network_loopback = req->network_loopback;
	plan->tty = req->tty;
	plan->no_cache = req->no_cache;
	if (req->light.of_language)
		return; /* write_light() has put it there */
	plan->light = req->light;
	req->light = (struct run_light_spec){ 0 };
}

/* A request for a light that brings none means the language's, else the image's. The host as an image has none. */
static int write_light(struct draft *draft, struct err *err)
{
	const struct run_light_spec *wanted = &draft->req->light;

	if (!wanted->of_language)
		return 0;
	draft->plan->light.report = wanted->report;
	if ((!draft->language || !run_light_wanted(&draft->language->light)) &&
	    strcmp(draft->image, "host") != 0) {
		draft->plan->light.of_image = true;
		return 0;
	}
	if (!draft->language)
		return err_refuse(err, ERR_MALFORMED, "missing_field", "traffic_light",
				  "traffic_light needs rules or ruby, for the run names no language");
	if (!run_light_wanted(&draft->language->light))
		return err_refuse(err, ERR_MALFORMED, "missing_field", "traffic_light",
				  "traffic_light needs rules or ruby: language '%s' has none of its own",
				  draft->language->id);
	if (run_light_spec_lend(&draft->language->light, &draft->plan->light) < 0)
		return err_set(err, -ENOMEM, "plan");
	return 0;
}

static int write_plan(struct draft *draft, struct err *err)
{
	const struct run_request *req = draft->req;
	int r;

	r = req->language ? choose_language(draft, err) : choose_image(draft, err);
	if (r == 0)
		r = plan_limits_check(&req->limits, &draft->context->ceilings, "limits", err);
	if (r == 0)
		r = choose_entry(draft, err);
	if (r == 0)
		r = choose_class(draft, err);
	if (r == 0)
		r = req->steps_count > 0 ? write_request_steps(draft, err) : write_language_steps(draft, err);
	if (r == 0)
		r = name_terminal(draft, err);
	if (r == 0 && draft->language)
		r = copy_text(&draft->plan->language, draft->language->id, err);
	if (r == 0 && draft->language)
		r = copy_text(&draft->plan->language_version, draft->language->version, err);
	if (r == 0)
		r = write_light(draft, err);
	if (r < 0)
		return r;
	plan_limits_share_disk(draft->plan->steps, draft->plan->steps_count);
	choose_warm(draft);
	return check_files(draft, err);
}

int plan_make(struct run_request *req, const struct plan_context *context, struct run_plan **ret,
	      struct err *err)
{
	struct draft draft = { .req = req, .context = context };
	int r;

	draft.plan = calloc(1, sizeof(*draft.plan));
	if (!draft.plan)
		return err_set(err, -ENOMEM, "plan");
	r = write_plan(&draft, err);
	free(draft.image);
	if (r < 0) {
		undo_renaming(&draft);
		plan_destroy(draft.plan);
		return r;
	}
	free(draft.old_name);
	take_bytes(draft.plan, req);
	*ret = draft.plan;
	return 0;
}

static void step_finish(struct plan_step *step)
{
	free(step->name);
	free(step->image);
	strv_free(step->argv);
	strv_free(step->envp);
	strv_free(step->keep);
	free(step->stdin_bytes.data);
}

void plan_destroy(struct run_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->files_count; i++) {
		free(plan->files[i].name);
		free(plan->files[i].data);
	}
	free(plan->files);
	run_light_spec_finish(&plan->light);
	for (size_t i = 0; i < plan->steps_count; i++)
		step_finish(&plan->steps[i]);
	free(plan->steps);
	strv_free(plan->collect_globs);
	free(plan->language);
	free(plan->language_version);
	free(plan);
}
