echo ATTACK-START
cat > plug.c <<'EOF'
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
int plugin_is_GPL_compatible;
__attribute__((constructor)) static void begin(void)
{
	FILE *f = fopen("@CANARY_FILE@", "r");
	char b[100] = "";
	if (f && fgets(b, 100, f))
		printf("UNSAFE: a plug-in read %s\n", b);
	if (getuid() == 0 || !access("/root/.", X_OK) || unshare(CLONE_NEWUSER) == 0)
		puts("UNSAFE: a plug-in has privileges");
	puts("INFO: plug-in ran");
	fflush(stdout);
}
EOF
gcc -w -shared -fPIC -o plug.so plug.c
echo 'int main(void){return 0;}' > a.c
gcc -fplugin=./plug.so a.c -o a 2>&1 | head -3
gcc -dumpspecs | sed 's|^%(trad_capable_cpp)|& -fplugin=/sandbox/plug.so|; s|%(cc1_cpu)|& -fplugin=/sandbox/plug.so|' > own-specs
gcc -specs=own-specs a.c -o a 2>&1 | head -3
gcc -wrapper sh,-c,'cat @CANARY_FILE@ /etc/shadow /root/.profile 2>/dev/null | sed "s/^/UNSAFE: /"' a.c 2>&1 | head -3
gcc @@CANARY_FILE@ a.c 2>&1 | head -3
gcc @/proc/1/environ a.c 2>&1 | head -3
gcc -imacros @CANARY_FILE@ a.c 2>&1 | head -3
gcc -T @CANARY_FILE@ a.c 2>&1 | head -3
printf 'INCLUDE @CANARY_FILE@\n' > x.ld; ld -T x.ld 2>&1 | head -3
printf 'all:\n\t@echo "$(shell cat @CANARY_FILE@ /etc/shadow 2>/dev/null | sed "s/^/UNSAFE: /")" "$(file < @CANARY_FILE@)"\n-include @CANARY_FILE@\n' > Makefile
command -v make >/dev/null && make 2>&1 | head -3
perl -e 'BEGIN { print "UNSAFE: perl read $_" for do { open my $f, "<", "@CANARY_FILE@"; $f ? <$f> : () } }'
python3 -c "exec(compile(open('@CANARY_FILE@').read(), 'x', 'exec'))" 2>&1 | tail -1
LD_PRELOAD=./plug.so LD_DEBUG_OUTPUT=/etc/x LD_LIBRARY_PATH=/root ./a
echo ATTACK-END
