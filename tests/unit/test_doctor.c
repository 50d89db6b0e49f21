/*
 * What `kiln doctor` says about hosts that are not there: each wall that can be missing, why, and how to mend it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cmd/doctor.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

#define ALL_CAPABILITIES ((1ULL << 41) - 1)
#define BIT(capability)	 (1ULL << (capability))
#define NEEDED                                                                                               \
	(BIT(CAP_SYS_ADMIN) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_CHOWN) |        \
	 BIT(CAP_KILL) | BIT(CAP_NET_ADMIN))

/* A machine with everything, seen by root. */
static struct doctor_facts machine(void)
{
	return (struct doctor_facts){
		.release = "6.1.0-28-amd64",
		.kernel_major = 6,
		.kernel_minor = 1,
		.root = true,
		.user = "root",
		.capabilities = ALL_CAPABILITIES,
		.max_user_namespaces = 96365,
		.unprivileged_userns_clone = 1,
		.apparmor_restrict_userns = -1,
		.memfd_noexec = 0,
		.newuidmap = true,
		.subuids = true,
		.subgids = true,
		.seccomp = true,
		.landlock_abi = 2,
		.proc_mounted = true,
		.core_pattern = "core",
		.cgroup_version = 2,
		.systemd = true,
	};
}

static struct doctor_facts ordinary_user(void)
{
	struct doctor_facts facts = machine();

	facts.root = false;
	facts.capabilities = 0;
	snprintf(facts.user, sizeof(facts.user), "mole");
	return facts;
}

static struct doctor_facts in_docker(void)
{
	struct doctor_facts facts = ordinary_user();

	facts.container = CONTAINER_DOCKER;
	snprintf(facts.container_name, sizeof(facts.container_name), "docker");
	facts.filtered = true;
	return facts;
}

/* From the attempt on nothing can be done. */
static void refuse(struct doctor_facts *facts, enum attempt first, int error)
{
	facts->attempts[first] = error;
	for (int i = (int)first + 1; i < ATTEMPT_COUNT; i++)
		facts->attempts[i] = ATTEMPT_UNTRIED;
}

static struct findings found;

static const struct finding *find(const char *name)
{
	for (size_t i = 0; i < found.count; i++) {
		if (strcmp(found.list[i].name, name) == 0)
			return &found.list[i];
	}
	fail_msg("no finding '%s'", name);
	return NULL;
}

static const struct finding *judge(const struct doctor_facts *facts, const char *name)
{
	found.count = 0;
	doctor_host_check(&found, facts);
	return find(name);
}

static const struct finding *judge_engine(const struct native_host *host, const struct doctor_facts *facts,
					  const char *name)
{
	found.count = 0;
	doctor_engine_check(&found, host, facts);
	return find(name);
}

static void assert_says(const struct finding *finding, enum finding_status status, const char *why,
			const char *mend)
{
	assert_string_equal(finding_status_name(finding->status), finding_status_name(status));
	if (!strstr(finding->why, why))
		fail_msg("'%s' does not say '%s'", finding->why, why);
	if (!strstr(finding->mend, mend))
		fail_msg("'%s' does not say '%s'", finding->mend, mend);
}

#define ASSERT_MISSING(facts, name, why, mend)	assert_says(judge(facts, name), FINDING_MISSING, why, mend)
#define ASSERT_DEGRADED(facts, name, why, mend) assert_says(judge(facts, name), FINDING_DEGRADED, why, mend)

static void assert_all_present(const struct doctor_facts *facts)
{
	found.count = 0;
	doctor_host_check(&found, facts);
	for (size_t i = 0; i < found.count; i++) {
		if (found.list[i].status != FINDING_PRESENT)
			fail_msg("%s: %s", found.list[i].name, found.list[i].why);
		assert_string_equal(found.list[i].mend, "");
	}
}

static void has_nothing_to_mend_on_a_machine_with_everything(void **state)
{
	struct doctor_facts root = machine(), user = ordinary_user();

	assert_all_present(&root);
	assert_all_present(&user);
}

static void refuses_kernels_that_are_too_old(void **state)
{
	struct doctor_facts facts = machine();

	facts.kernel_major = 5;
	facts.kernel_minor = 9;
	snprintf(facts.release, sizeof(facts.release), "5.9.16");
	ASSERT_MISSING(&facts, "kernel", "5.9.16", "5.10");
	facts.kernel_minor = 10;
	assert_int_equal(judge(&facts, "kernel")->status, FINDING_PRESENT);
}

static void names_the_setting_that_switches_user_namespaces_off(void **state)
{
	struct doctor_facts facts = ordinary_user();

	refuse(&facts, ATTEMPT_USER_NAMESPACE, ENOSPC);
	facts.max_user_namespaces = 0;
	ASSERT_MISSING(&facts, "user namespaces", "is 0", "sysctl user.max_user_namespaces=");
	assert_int_equal(find("mounts")->status, FINDING_MISSING);
}

static void tells_user_namespaces_that_are_used_up_from_ones_that_are_switched_off(void **state)
{
	struct doctor_facts facts = ordinary_user();

	refuse(&facts, ATTEMPT_USER_NAMESPACE, ENOSPC);
	facts.max_user_namespaces = 12;
	ASSERT_MISSING(&facts, "user namespaces", "all 12", "raise user.max_user_namespaces");
}

static void names_debians_setting_only_to_ordinary_users(void **state)
{
	struct doctor_facts facts = ordinary_user();

	refuse(&facts, ATTEMPT_USER_NAMESPACE, EPERM);
	facts.unprivileged_userns_clone = 0;
	ASSERT_MISSING(&facts, "user namespaces", "ordinary users",
		       "sysctl kernel.unprivileged_userns_clone=1");
	facts.root = true;
	facts.capabilities = ALL_CAPABILITIES;
	assert_null(strstr(judge(&facts, "user namespaces")->mend, "unprivileged_userns_clone"));
}

static void names_apparmors_setting_also_where_it_only_takes_the_rights_away(void **state)
{
	struct doctor_facts facts = ordinary_user();
	static const char setting[] = "kernel.apparmor_restrict_unprivileged_userns=0";

	facts.apparmor_restrict_userns = 1;
	refuse(&facts, ATTEMPT_USER_NAMESPACE, EACCES);
	ASSERT_MISSING(&facts, "user namespaces", "AppArmor", setting);
	facts.attempts[ATTEMPT_USER_NAMESPACE] = 0;
	refuse(&facts, ATTEMPT_NAMESPACES, EPERM);
	ASSERT_MISSING(&facts, "namespaces", "AppArmor", setting);
	assert_int_equal(find("user namespaces")->status, FINDING_PRESENT);
}

static void settings_are_the_hosts_in_a_container(void **state)
{
	struct doctor_facts facts = in_docker();

	facts.max_user_namespaces = 0;
	refuse(&facts, ATTEMPT_USER_NAMESPACE, ENOSPC);
	ASSERT_MISSING(&facts, "user namespaces", "is 0", "on the host: sysctl");
}

static void names_a_kernel_without_user_namespaces(void **state)
{
	struct doctor_facts facts = machine();

	refuse(&facts, ATTEMPT_USER_NAMESPACE, EINVAL);
	ASSERT_MISSING(&facts, "user namespaces", "not in this kernel", "CONFIG_USER_NS");
}

static void finds_the_seccomp_filter_of_each_kind_of_container(void **state)
{
	static const struct {
		enum container_kind kind;
		const char *mend;
	} rows[] = {
		{ CONTAINER_NONE, "SystemCallFilter=" },
		{ CONTAINER_DOCKER, "docker run --security-opt seccomp=packaging/docker/kiln-seccomp.json" },
		{ CONTAINER_PODMAN, "podman run --security-opt seccomp=packaging/docker/kiln-seccomp.json" },
		{ CONTAINER_KUBERNETES, "securityContext.seccompProfile" },
		{ CONTAINER_OTHER, "kiln-seccomp.json" },
	};
	struct doctor_facts facts = in_docker();

	refuse(&facts, ATTEMPT_USER_NAMESPACE, EPERM);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		facts.container = rows[i].kind;
		ASSERT_MISSING(&facts, "user namespaces", "seccomp filter", rows[i].mend);
	}
}

static void finds_the_apparmor_profile_that_refuses_mounts(void **state)
{
	struct doctor_facts facts = in_docker();

	snprintf(facts.apparmor, sizeof(facts.apparmor), "docker-default");
	refuse(&facts, ATTEMPT_MOUNT, EACCES);
	ASSERT_MISSING(&facts, "mounts", "docker-default", "apparmor=unconfined");
	facts.container = CONTAINER_KUBERNETES;
	ASSERT_MISSING(&facts, "mounts", "docker-default", "appArmorProfile");
}

static void asks_a_root_without_capabilities_to_be_an_ordinary_user(void **state)
{
	struct doctor_facts facts = in_docker();

	facts.root = true;
	facts.capabilities = 0xa80425fb; /* what Docker gives by default */
	refuse(&facts, ATTEMPT_NAMESPACES, EPERM);
	ASSERT_MISSING(&facts, "capabilities", "SYS_ADMIN NET_ADMIN", "docker run --user");
	assert_says(find("namespaces"), FINDING_MISSING, "without CAP_SYS_ADMIN", "docker run --user");
}

static void misses_only_the_loopback_without_net_admin(void **state)
{
	struct doctor_facts facts = in_docker();

	facts.root = true;
	facts.capabilities = NEEDED & ~BIT(CAP_NET_ADMIN);
	ASSERT_DEGRADED(&facts, "capabilities", "root without NET_ADMIN", "--cap-add");
	facts.capabilities = NEEDED;
	assert_all_present(&facts);
}

static void explains_what_a_covered_proc_does_to_ordinary_users(void **state)
{
	static const struct {
		enum container_kind kind;
		const char *mend;
	} rows[] = {
		{ CONTAINER_DOCKER, "systempaths=unconfined" },
		{ CONTAINER_PODMAN, "unmask=ALL" },
		{ CONTAINER_KUBERNETES, "procMount: Unmasked" },
	};
	struct doctor_facts facts = in_docker();

	facts.proc_covered = 11;
	facts.attempts[ATTEMPT_PROC] = EPERM;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		facts.container = rows[i].kind;
		ASSERT_MISSING(&facts, "/proc", "11 parts of it are covered", rows[i].mend);
	}
}

static void does_not_mind_a_covered_proc_where_a_new_one_can_be_mounted(void **state)
{
	struct doctor_facts facts = machine();

	facts.proc_covered = 11;
	assert_all_present(&facts);
}

static void says_what_is_missing_for_uids_of_their_own(void **state)
{
	struct doctor_facts facts = ordinary_user();

	facts.newuidmap = false;
	ASSERT_DEGRADED(&facts, "sub-uids", "no newuidmap", "apt install uidmap");
	facts.newuidmap = true;
	facts.subgids = false;
	ASSERT_DEGRADED(&facts, "sub-uids", "/etc/subgid has no range for mole",
			"--add-subgids 100000-165535 mole");
	facts.subgids = true;
	facts.no_new_privileges = true;
	ASSERT_DEGRADED(&facts, "sub-uids", "no-new-privileges", "NoNewPrivileges=");
}

static void misses_landlock_and_seccomp_by_name(void **state)
{
	struct doctor_facts facts = machine();

	facts.landlock_abi = 0;
	facts.seccomp = false;
	ASSERT_DEGRADED(&facts, "landlock", "one wall less", "CONFIG_SECURITY_LANDLOCK");
	assert_says(find("seccomp"), FINDING_MISSING, "no filters", "CONFIG_SECCOMP_FILTER");
	facts.filtered = true;
	facts.container = CONTAINER_DOCKER;
	ASSERT_DEGRADED(&facts, "landlock", "one wall less", "kiln-seccomp.json");
}

static void tells_a_filter_from_an_old_kernel_when_a_call_is_refused(void **state)
{
	struct doctor_facts facts = machine();

	facts.clone3 = ENOSYS;
	ASSERT_MISSING(&facts, "clone3", "ENOSYS", "a newer kernel");
	facts = in_docker();
	facts.clone3 = ENOSYS;
	ASSERT_MISSING(&facts, "clone3", "seccomp filter", "kiln-seccomp.json");
}

static void needs_programs_in_memory(void **state)
{
	struct doctor_facts facts = machine();

	facts.memfd_noexec = 2;
	ASSERT_MISSING(&facts, "memfd", "switched off", "vm.memfd_noexec=0");
	facts.memfd_noexec = 1;
	assert_int_equal(judge(&facts, "memfd")->status, FINDING_PRESENT);
}

static void minds_a_privileged_container_and_no_other(void **state)
{
	struct doctor_facts facts = in_docker();

	assert_int_equal(judge(&facts, "container")->status, FINDING_PRESENT);
	facts.root = true;
	facts.filtered = false;
	facts.capabilities = ALL_CAPABILITIES;
	ASSERT_DEGRADED(&facts, "container", "privileged", "without --privileged");
}

static void does_not_guess_where_nothing_explains_a_refusal(void **state)
{
	struct doctor_facts facts = machine();

	refuse(&facts, ATTEMPT_MOUNT, EPERM);
	ASSERT_MISSING(&facts, "mounts", "nothing known", "chroot");
	assert_says(find("own root"), FINDING_MISSING, "not tried", "see the lines above");
}

static void says_where_cgroups_would_have_to_come_from(void **state)
{
	static const struct {
		enum container_kind container;
		bool systemd, read_only;
		int version;
		const char *why, *mend;
	} rows[] = {
		{ CONTAINER_NONE, true, false, 2, "none is delegated to this user", "Delegate=yes" },
		{ CONTAINER_NONE, false, false, 1, "none is delegated to this user", "--cgroup" },
		{ CONTAINER_NONE, true, false, 0, "none is mounted", "mount cgroup version 2" },
		{ CONTAINER_DOCKER, false, true, 2, "read-only, as containers have them",
		  "--cgroupns private" },
		{ CONTAINER_PODMAN, false, true, 2, "read-only", "unmask=/sys/fs/cgroup" },
		{ CONTAINER_KUBERNETES, false, true, 2, "read-only", "resources.limits" },
	};
	struct doctor_facts facts = ordinary_user();
	struct native_host host = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		facts.container = rows[i].container;
		facts.systemd = rows[i].systemd;
		facts.cgroup_read_only = rows[i].read_only;
		facts.cgroup_version = rows[i].version;
		assert_says(judge_engine(&host, &facts, "cgroups"), FINDING_DEGRADED, rows[i].why,
			    rows[i].mend);
		assert_says(find("memory limit"), FINDING_DEGRADED, "watched", rows[i].mend);
	}
}

static void says_which_controllers_are_delegated(void **state)
{
	struct doctor_facts facts = ordinary_user();
	struct native_host host = { .cgroup_version = 2, .memory = true, .pids = true };

	snprintf(host.cgroup_path, sizeof(host.cgroup_path), "/sys/fs/cgroup/user.slice/kiln-1-1");
	snprintf(facts.cgroup_controllers, sizeof(facts.cgroup_controllers), "memory pids");
	assert_says(judge_engine(&host, &facts, "cgroups"), FINDING_PRESENT, "controllers: memory pids", "");
	assert_says(find("cpu share"), FINDING_DEGRADED, "cpu_percent", "Delegate=memory pids cpu");
	assert_int_equal(find("memory limit")->status, FINDING_PRESENT);
}

static void explains_a_newuidmap_that_is_there_and_refused(void **state)
{
	struct doctor_facts facts = in_docker();
	struct native_host host = { 0 };

	assert_says(judge_engine(&host, &facts, "own uids"), FINDING_DEGRADED, "share one uid",
		    "newuidmap is refused");
	facts.subuids = false;
	assert_says(judge_engine(&host, &facts, "own uids"), FINDING_DEGRADED, "share one uid",
		    "see the line sub-uids");
}

static void explains_why_there_are_no_sessions(void **state)
{
	struct doctor_facts facts = ordinary_user();
	struct native_host host = { .separate_uids = true, .sessions = 426 };

	assert_says(judge_engine(&host, &facts, "sessions"), FINDING_PRESENT, "up to 426", "");
	host.sessions = 0;
	assert_says(judge_engine(&host, &facts, "sessions"), FINDING_DEGRADED, "too small", "65536");
	host.separate_uids = false;
	assert_says(judge_engine(&host, &facts, "sessions"), FINDING_DEGRADED, "uids of their own",
		    facts.subuids ? "newuidmap" : "sub-uids");
}

static void explains_a_missing_overlay_to_root_and_to_users(void **state)
{
	struct doctor_facts root = machine(), user = ordinary_user();
	struct native_host host = { 0 };

	assert_says(judge_engine(&host, &root, "overlay"), FINDING_DEGRADED, "bind-mounted",
		    "modprobe overlay");
	assert_says(judge_engine(&host, &user, "overlay"), FINDING_DEGRADED, "bind-mounted", "5.11");
}

static void cuts_no_text_of_any_host(void **state)
{
	static const int errors[] = { 0, EPERM, EACCES, ENOSYS, ENOSPC, EINVAL, ATTEMPT_UNTRIED };
	struct native_host host = { 0 };

	for (int kind = CONTAINER_NONE; kind <= CONTAINER_OTHER; kind++) {
		for (size_t e = 0; e < ARRAY_LEN(errors) * 4; e++) {
			struct doctor_facts facts = e & 1 ? machine() : ordinary_user();

			facts.container = (enum container_kind)kind;
			facts.filtered = e & 2;
			memset(facts.apparmor, 'a', sizeof(facts.apparmor) - 1);
			facts.apparmor_restrict_userns = facts.root;
			for (int i = 0; i < ATTEMPT_COUNT; i++)
				facts.attempts[i] = errors[e / 4];
			found.count = 0;
			doctor_host_check(&found, &facts);
			doctor_engine_check(&found, &host, &facts);
			for (size_t i = 0; i < found.count; i++) {
				assert_true(strlen(found.list[i].why) < sizeof(found.list[i].why) - 1);
				assert_true(strlen(found.list[i].mend) < sizeof(found.list[i].mend) - 1);
			}
		}
	}
}

/* On whatever machine this runs: what was read is not nothing, and nothing of the attempts stays. */
static void reads_facts_of_this_host(void **state)
{
	struct doctor_facts facts;

	doctor_facts_read(&facts);
	assert_true(facts.kernel_major >= 4);
	assert_int_equal(facts.root, geteuid() == 0);
	assert_true(facts.proc_mounted);
	assert_string_not_equal(facts.user, "");
	assert_int_not_equal(facts.attempts[ATTEMPT_USER_NAMESPACE], ATTEMPT_UNTRIED);
	if (facts.attempts[ATTEMPT_NAMESPACES] != 0)
		assert_int_equal(facts.attempts[ATTEMPT_MOUNT], ATTEMPT_UNTRIED);
	assert_int_equal(access("/tmp/proc/self", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_nothing_to_mend_on_a_machine_with_everything),
		cmocka_unit_test(refuses_kernels_that_are_too_old),
		cmocka_unit_test(names_the_setting_that_switches_user_namespaces_off),
		cmocka_unit_test(tells_user_namespaces_that_are_used_up_from_ones_that_are_switched_off),
		cmocka_unit_test(names_debians_setting_only_to_ordinary_users),
		cmocka_unit_test(names_apparmors_setting_also_where_it_only_takes_the_rights_away),
		cmocka_unit_test(settings_are_the_hosts_in_a_container),
		cmocka_unit_test(names_a_kernel_without_user_namespaces),
		cmocka_unit_test(finds_the_seccomp_filter_of_each_kind_of_container),
		cmocka_unit_test(finds_the_apparmor_profile_that_refuses_mounts),
		cmocka_unit_test(asks_a_root_without_capabilities_to_be_an_ordinary_user),
		cmocka_unit_test(misses_only_the_loopback_without_net_admin),
		cmocka_unit_test(explains_what_a_covered_proc_does_to_ordinary_users),
		cmocka_unit_test(does_not_mind_a_covered_proc_where_a_new_one_can_be_mounted),
		cmocka_unit_test(says_what_is_missing_for_uids_of_their_own),
		cmocka_unit_test(misses_landlock_and_seccomp_by_name),
		cmocka_unit_test(tells_a_filter_from_an_old_kernel_when_a_call_is_refused),
		cmocka_unit_test(needs_programs_in_memory),
		cmocka_unit_test(minds_a_privileged_container_and_no_other),
		cmocka_unit_test(does_not_guess_where_nothing_explains_a_refusal),
		cmocka_unit_test(says_where_cgroups_would_have_to_come_from),
		cmocka_unit_test(says_which_controllers_are_delegated),
		cmocka_unit_test(explains_a_newuidmap_that_is_there_and_refused),
		cmocka_unit_test(explains_why_there_are_no_sessions),
		cmocka_unit_test(explains_a_missing_overlay_to_root_and_to_users),
		cmocka_unit_test(cuts_no_text_of_any_host),
		cmocka_unit_test(reads_facts_of_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
