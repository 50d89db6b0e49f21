#include "attack.h"
#if __has_include("@CANARY_FILE@") || __has_include("/proc/1/root@CANARY_FILE@") || __has_include("/etc/shadow") || __has_include("/root/.profile") || __has_include("/var/lib/dpkg/status")
#pragma message "UNSAFE: files of the host can be included"
static const char seen[] = "UNSAFE: files of the host can be included";
#else
static const char seen[] = "INFO: not there";
#endif
__asm__(".section .rodata\n.globl got\ngot:\n.incbin \"@CANARY_FILE@\"\n.byte 0\n.text\n");
extern const char got[];
int main(void)
{
	START;
	say("%s", seen);
	UNSAFE("included %s", got);
	END;
	return 0;
}
