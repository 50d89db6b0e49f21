/*
 * The terminal of a step, of which init has both ends.
 */
#ifndef KILN_INIT_TTY_H
#define KILN_INIT_TTY_H

#include "init/init_priv.h"

/* Both ends of a new terminal of this size: the master non-blocking. -errno. */
int tty_open(const struct wire_tty *size, int *ret_master_fd, int *ret_slave_fd);
void tty_resize(int master_fd, const struct wire_tty *size);
/* The character that ends a file, and how often it must be typed for that: 0 where it does not. */
uint8_t tty_eof(int master_fd, bool in_line, unsigned *ret_times);
/* To the foreground of the running step's terminal, else to its first process group. */
void tty_signal(const struct step *step, int number);

#endif
