/* The facts as one variable of the environment: both sides are the same program, so that its bytes are the format. */
#include "base/base64.h"
#include "base/cleanup.h"
#include "cmd/doctor_facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE "KILN_HOST_FACTS"

int doctor_facts_hand_on(const struct doctor_facts *facts, struct err *err)
{
	AUTO_FREE char *text = base64_encode(facts, sizeof(*facts), NULL);

	if (!text || setenv(VARIABLE, text, 1) < 0)
		return err_set(err, -ENOMEM, "the facts about this host");
	return 0;
}

/* Whatever text there is in the facts ends within its room, whoever has set the variable. */
static void end_texts(struct doctor_facts *facts)
{
	facts->release[sizeof(facts->release) - 1] = '\0';
	facts->user[sizeof(facts->user) - 1] = '\0';
	facts->apparmor[sizeof(facts->apparmor) - 1] = '\0';
	facts->container_name[sizeof(facts->container_name) - 1] = '\0';
	facts->core_pattern[sizeof(facts->core_pattern) - 1] = '\0';
	facts->cgroup_controllers[sizeof(facts->cgroup_controllers) - 1] = '\0';
}

bool doctor_facts_take(struct doctor_facts *ret)
{
	const char *text = getenv(VARIABLE);
	AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	bool good;

	if (!text)
		return false;
	good = base64_decode(text, strlen(text), &data, &len) == 0 && len == sizeof(*ret);
	unsetenv(VARIABLE);
	if (!good)
		return false;
	memcpy(ret, data, sizeof(*ret));
	end_texts(ret);
	return ret->container <= CONTAINER_OTHER;
}
