/*
 * How it works: the step is one bash, which puts the two files into the home folder by itself and then does what stands
 * in the first. That it has all of it before cyber-dojo.sh begins is why nothing that is done to the file changes
 * anything. Its exit code is cyber-dojo.sh's own; that something happened to itself shows in that it dies of a signal.
 *
 * Its own stderr is closed to it: a shell says on it that a child was killed, which nobody printed.
 */

#include "api/dialects/cyber_dojo_script.h"

#include <stddef.h>

static const char boot[] = "printf %s \"$1\" >~/cyber_dojo_main.sh\n"
			   "printf %s \"$2\" >~/cyber_dojo_fs_cleaners.sh\n"
			   "eval \"$1\"\n";

#define MAIN_HEAD                                                                                            \
	"# Runs cyber-dojo.sh. Written by kiln; a change to it changes nothing.\n"                           \
	"exec 3>&2 2>/dev/null\n"                                                                            \
	"cd /sandbox\n"
#define MAIN_LIMITS                                                                                          \
	"ulimit -d 4194304\n" /* KiB */                                                                      \
	"ulimit -x 1024\n"
#define MAIN_TAIL                                                                                            \
	"main=/tmp/cyber_dojo_main.$$\n"                                                                     \
	": >$main\n"                                                                                         \
	"bash ./cyber-dojo.sh 2>&3 3>&-\n"                                                                   \
	"status=$?\n"                                                                                        \
	"[ -e $main ] || kill -USR1 $$\n"                                                                    \
	"exit $status\n"

static const char cleaners[] = "# For cyber-dojo.sh: source ~/cyber_dojo_fs_cleaners.sh. Written by kiln.\n"
			       "\n"
			       "# Removes the named folders with all that is in them.\n"
			       "cyber_dojo_delete_dirs()\n"
			       "{\n"
			       "  local dir\n"
			       "  for dir in \"$@\"; do rm -rf -- \"$dir\"; done\n"
			       "}\n"
			       "\n"
			       "# Removes the named files.\n"
			       "cyber_dojo_delete_files()\n"
			       "{\n"
			       "  local file\n"
			       "  for file in \"$@\"; do rm -f -- \"$file\"; done\n"
			       "}\n"
			       "\n"
			       "# Makes the named folders, or empties them.\n"
			       "cyber_dojo_reset_dirs()\n"
			       "{\n"
			       "  cyber_dojo_delete_dirs \"$@\"\n"
			       "  local dir\n"
			       "  for dir in \"$@\"; do mkdir -p -- \"$dir\"; done\n"
			       "}\n";

char *const *dojo_script_argv(bool traced)
{
	static char *const plain[DOJO_ARGV_MAX] = { (char *)"bash",
						    (char *)"-c",
						    (char *)boot,
						    (char *)"cyber_dojo_main.sh",
						    (char *)MAIN_HEAD MAIN_LIMITS MAIN_TAIL,
						    (char *)cleaners,
						    NULL };
	static char *const roomy[DOJO_ARGV_MAX] = { (char *)"bash",
						    (char *)"-c",
						    (char *)boot,
						    (char *)"cyber_dojo_main.sh",
						    (char *)MAIN_HEAD MAIN_TAIL,
						    (char *)cleaners,
						    NULL };

	return traced ? roomy : plain;
}
