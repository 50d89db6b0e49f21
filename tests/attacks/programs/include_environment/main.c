#include "/proc/self/environ"
#include "/proc/1/environ"
#include "/proc/2/environ"
#include "/proc/self/cmdline"
#include "/proc/1/cmdline"
#include "/proc/1/maps"
#include "/proc/self/mountinfo"
#include "/dev/stdin"
#include "/dev/fd/0"
#include "/dev/fd/3"
#include "/proc/self/fd/4"
#include "@CANARY_FILE@"
int main(void)
{
	return 0;
}
