/*
 * The folders beside /sandbox in which a sandbox's user can write. The plan of the mounts has just these (a test
 * compares them), and init looks into them for what a step left.
 */
#ifndef KILN_WIRE_WRITABLE_H
#define KILN_WIRE_WRITABLE_H

static const char *const writable_outside[] = { "/tmp", "/home/sandbox", "/var/tmp", "/dev/shm" };

#endif
