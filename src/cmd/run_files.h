/*
 * Files of the command line into a run request.
 */
#ifndef KILN_CMD_RUN_FILES_H
#define KILN_CMD_RUN_FILES_H

#include "base/err.h"
#include "run/request.h"

#include <stdbool.h>

/*
 * Adds what `path` names. A file gets the path as its name when that is relative and stays below the working directory
 * ("src/main.c", "./a.c" becomes "a.c"), else its last component. A folder is added with all that is in it, names
 * relative to the folder; links in it count as the files they point to, links to folders and anything that is neither
 * file nor folder are refused. Returns 0 or a negative errno with a sentence.
 */
[[nodiscard]] int run_files_add(struct run_request *req, const char *path, struct err *err);

#endif
