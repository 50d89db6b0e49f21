#include "cmd/doctor.h"

#include "base/cleanup.h"
#include "cmd/cmd.h"
#include "cmd/node_start.h"
#include "cmd/table.h"

#include <errno.h>
#include <jansson.h>

enum option_id {
	OPTION_JSON,
};

static const struct arg_option doctor_options[] = {
	{ OPTION_JSON, 0, "json", NULL, "print the findings as JSON" },
};

static const char doctor_text[] = "Exit status: 0 when every wall and limit is in place, 1 when kiln runs "
				  "with less, 2 when it cannot run or when a\n"
				  "program in a sandbox reached what it must not.\n";

static int doctor_option(void *user, int id, const char *value, struct err *err)
{
	*(bool *)user = true;
	return 0;
}

/* False: no sandbox can be made, or one leaks. */
static bool doctor_engine(struct findings *to, const struct config *config, const struct doctor_facts *facts)
{
	struct err err = ERR_INIT;
	struct node node = { 0 };
	uv_loop_t loop;
	bool good;

	if (uv_loop_init(&loop) < 0) {
		finding_add(to, "engine", FINDING_MISSING, "look at the limits of open files",
			    "no event loop");
		return false;
	}
	/* For the canary run to look for: nothing of kiln's environment may be seen in a sandbox. */
	setenv("KILN_DOCTOR_CANARY", "canary", 1);
	good = node_start(&loop, config, &node, &err) >= 0;
	if (good) {
		finding_add(to, "engine", FINDING_PRESENT, "", "the native engine starts");
		doctor_engine_check(to, engine_native_host(node.native ?: node.containers), facts);
		doctor_languages_check(to, node.languages);
		good = doctor_canary_run(to, &node, &loop, config);
	} else {
		finding_add(to, "engine", FINDING_MISSING,
			    "the lines above that are not present say what it needs", "%s", err.text);
	}
	node_close(&node, &loop);
	uv_loop_close(&loop);
	return good;
}

static int doctor_status(const struct findings *findings, bool runs)
{
	if (!runs)
		return CMD_USAGE;
	for (size_t i = 0; i < findings->count; i++) {
		if (findings->list[i].status != FINDING_PRESENT)
			return CMD_DEGRADED;
	}
	return CMD_OK;
}

static const char *const verdicts[] = {
	[CMD_OK] = "ok",
	[CMD_DEGRADED] = "degraded",
	[CMD_USAGE] = "cannot_run",
};

static const char *const sentences[] = {
	[CMD_OK] = "kiln runs here with every wall and limit in place.",
	[CMD_DEGRADED] = "kiln runs here, with less than everything: see the lines that are not present.",
	[CMD_USAGE] = "kiln cannot run code safely here.",
};

/* Each way of mending once, with all that it mends. */
static void mends_print(const struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		const char *mend = findings->list[i].mend;
		bool first = mend[0] != '\0';

		for (size_t j = 0; j < i; j++)
			first &= strcmp(findings->list[j].mend, mend) != 0;
		if (!first)
			continue;
		printf("\nTo mend %s", findings->list[i].name);
		for (size_t j = i + 1; j < findings->count; j++) {
			if (strcmp(findings->list[j].mend, mend) == 0)
				printf(", %s", findings->list[j].name);
		}
		printf(": %s.", mend);
	}
	printf("\n");
}

static int findings_table(const struct findings *findings, int status, struct err *err)
{
	AUTO_FREE const char **cells = calloc(findings->count * 3 + 1, sizeof(*cells));

	if (!cells)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < findings->count; i++) {
		cells[3 * i] = findings->list[i].name;
		cells[3 * i + 1] = finding_status_name(findings->list[i].status);
		cells[3 * i + 2] = findings->list[i].why;
	}
	table_print(cells, findings->count, 3);
	mends_print(findings);
	printf("\n%s\n", sentences[status]);
	return 0;
}

static json_t *findings_json(const struct findings *findings, int status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *f = &findings->list[i];
		json_t *one = json_pack("{s:s, s:s, s:s, s:s*}", "name", f->name, "status",
					finding_status_name(f->status), "why", f->why, "mend",
					f->mend[0] ? f->mend : NULL);

		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:s, s:o}", "verdict", verdicts[status], "checks", list);
}

static int doctor_main(const struct command *command, int argc, char *const *argv)
{
	AUTO_FREE struct findings *findings = NULL;
	struct config config = { 0 };
	struct doctor_facts facts;
	struct err err = ERR_INIT;
	AUTO_ARGS struct args args;
	bool json = false;
	int status, r;

	if (cmd_begin(command, argc, argv, doctor_option, &json, &args, &status))
		return status;
	r = config_load(args.config, args.flags, &config, &err);
	if (r < 0)
		return cmd_fail(CMD_USAGE, &err);
	findings = calloc(1, sizeof(*findings));
	if (!findings) {
		config_finish(&config);
		return cmd_fail(CMD_USAGE, &(struct err){ .text = "out of memory" });
	}
	doctor_facts_read(&facts);
	doctor_host_check(findings, &facts);
	status = doctor_status(findings, doctor_engine(findings, &config, &facts));
	config_finish(&config);
	r = json ? cmd_json_print(findings_json(findings, status), &err)
		 : findings_table(findings, status, &err);
	return r < 0 ? cmd_fail(CMD_USAGE, &err) : status;
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "say what this host can enforce, what is missing and how to mend it",
	.synopsis = "[--json]",
	.text = doctor_text,
	.options = doctor_options,
	.options_count = ARRAY_LEN(doctor_options),
	.settings = true,
	.exit_usage = CMD_USAGE,
	.main = doctor_main,
};
