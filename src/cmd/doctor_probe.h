/* Making a sandbox, step by step, in a child that ends at once: what the host refuses, and with which error. */
#ifndef KILN_CMD_DOCTOR_PROBE_H
#define KILN_CMD_DOCTOR_PROBE_H

#include "cmd/doctor_facts.h"

/* As root without a user namespace around it, else in one, as the keeper does it. */
void doctor_probe(bool root, int ret[ATTEMPT_COUNT]);

#endif
