/*
 * The command that runs a cyber-dojo.sh, and the shell files that start-points expect in the home folder.
 */
#ifndef KILN_API_DIALECTS_CYBER_DOJO_SCRIPT_H
#define KILN_API_DIALECTS_CYBER_DOJO_SCRIPT_H

#include <stdbool.h>

#define DOJO_ARGV_MAX 8

/* How the command ends itself when cyber-dojo.sh has emptied /tmp. To be ended by another signal is a fault too. */
#define DOJO_SIGNAL_TMP SIGUSR1

/*
 * The argument vector of the step, NULL-terminated, static. `traced`: an image of clang's, whose sanitizers reserve
 * more address space than the limit on data lets them.
 */
char *const *dojo_script_argv(bool traced);

#endif
