#include "attack.h"

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t clamp_min, clamp_max;
};
int main(void)
{
	START;
	for (int policy = 1; policy < 8; policy++) {
		struct sched_param p = { policy == SCHED_FIFO || policy == SCHED_RR ? 1 : 0 };
		int r = sched_setscheduler(0, policy, &p);
		if (!r && (policy == SCHED_FIFO || policy == SCHED_RR || policy == 6))
			UNSAFE("policy %d", policy);
		sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 });
	}
	struct attr deadline = { sizeof deadline, 6, 0, 0, 0, 5000000, 10000000, 10000000, 0, 0 };
	refused("SCHED_DEADLINE", syscall(SYS_sched_setattr, 0, &deadline, 0));
	struct attr nice = { sizeof nice, 0, 0, -20, 0, 0, 0, 0, 0, 0 };
	refused("nice -20 by sched_setattr", syscall(SYS_sched_setattr, 0, &nice, 0));
	refused("setpriority -20", setpriority(PRIO_PROCESS, 0, -20));
	refused("setpriority -1", setpriority(PRIO_PROCESS, 0, -1));
	refused("setpriority of the user's -5", setpriority(PRIO_USER, getuid(), -5));
	refused("real-time disk priority", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
	static const char *scores[] = { "-1", "-1000" };
	for (int i = 0; i < 2; i++) {
		static const char *files[] = { "/proc/self/oom_score_adj", "/proc/1/oom_score_adj", "/proc/self/oom_adj" };
		for (int k = 0; k < 3; k++) {
			int fd = open(files[k], O_WRONLY);
			if (fd >= 0 && write(fd, scores[i], strlen(scores[i])) > 0)
				UNSAFE("%s = %s", files[k], scores[i]);
			close(fd);
		}
	}
	struct {
		int which;
		const char *name;
	} limits[] = { { RLIMIT_NICE, "NICE" },	 { RLIMIT_RTPRIO, "RTPRIO" }, { RLIMIT_NPROC, "NPROC" },   { RLIMIT_NOFILE, "NOFILE" }, { RLIMIT_FSIZE, "FSIZE" },     { RLIMIT_CPU, "CPU" },
		       { RLIMIT_MEMLOCK, "MEMLOCK" }, { RLIMIT_MSGQUEUE, "MSGQUEUE" }, { RLIMIT_SIGPENDING, "SIGPENDING" }, { RLIMIT_STACK, "STACK" }, { RLIMIT_CORE, "CORE" } };
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit now, more;
		getrlimit(limits[i].which, &now);
		INFO("%s %ld %ld", limits[i].name, (long)now.rlim_cur, (long)now.rlim_max);
		if (now.rlim_max == RLIM_INFINITY) {
			UNSAFE("%s is unlimited", limits[i].name);
			continue;
		}
		more.rlim_cur = more.rlim_max = now.rlim_max + 1;
		if (!setrlimit(limits[i].which, &more) || !syscall(SYS_prlimit64, getpid(), limits[i].which, &more, 0) || !syscall(SYS_prlimit64, 1l << 32, limits[i].which, &more, 0)) {
			getrlimit(limits[i].which, &now);
			if (now.rlim_max >= more.rlim_max)
				UNSAFE("%s raised", limits[i].name);
		}
	}
	END;
	return 0;
}
