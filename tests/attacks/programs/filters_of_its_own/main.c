#include "attack.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

static struct sock_filter code[4096];
static struct sock_fprog program = { 4096, code };

static void load(void)
{
	refused("a filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	refused("a filter, high bits", syscall(SYS_seccomp, 1l << 32 | SECCOMP_SET_MODE_FILTER, 0, &program));
	refused("a filter for all threads", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1, &program));
	refused("a filter that is logged", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 2, &program));
	refused("a filter with a listener", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 8, &program));
	refused("a filter by prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	refused("a filter by prctl, high bits", syscall(SYS_prctl, 1l << 32 | PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}
int main(void)
{
	START;
	for (int i = 0; i < 4095; i++)
		code[i] = (struct sock_filter){ BPF_ALU | BPF_ADD | BPF_K, 0, 0, i };
	code[4095] = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	load();
	if (in_child(load, 5))
		INFO("the child ended otherwise");
	END;
	return 0;
}
