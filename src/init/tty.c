/*
 * The terminal of a step: a pseudo-terminal of the sandbox's own instance of devpts, made here, inside, and the
 * user's, since init's file system ids are his. The payload gets the slave as its controlling terminal; what it
 * prints and what is typed pass through the master. Init keeps an end of the slave too: a master whose slave nobody
 * has open is hung up, and a program may close its terminal and open it again.
 */
#include "init/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* All text is UTF-8: the key that erases takes whole characters. */
static void expect_utf8(int slave_fd)
{
	struct termios mode;

	if (tcgetattr(slave_fd, &mode) < 0)
		return;
	mode.c_iflag |= IUTF8;
	tcsetattr(slave_fd, TCSANOW, &mode);
}

/* By name where the kernel (gVisor's) does not hand it out: nobody but init makes anything in that folder. */
static int open_slave(int master_fd)
{
	int fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), number;
	char path[32];

	if (fd >= 0 || errno != ENOTTY || ioctl(master_fd, TIOCGPTN, &number) < 0)
		return fd;
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int tty_open(const struct wire_tty *size, int *ret_master_fd, int *ret_slave_fd)
{
	int master_fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int unlocked = 0, slave_fd = -1, error;

	if (master_fd < 0)
		return -errno;
	if (ioctl(master_fd, TIOCSPTLCK, &unlocked) == 0)
		slave_fd = open_slave(master_fd);
	if (slave_fd < 0) {
		error = errno;
		close(master_fd);
		return -error;
	}
	expect_utf8(slave_fd);
	tty_resize(master_fd, size);
	*ret_master_fd = master_fd;
	*ret_slave_fd = slave_fd;
	return 0;
}

void tty_resize(int master_fd, const struct wire_tty *size)
{
	const struct winsize window = { .ws_row = size->rows, .ws_col = size->cols };

	/* Fails only for a descriptor that is no terminal. The kernel tells the foreground by SIGWINCH. */
	(void)!ioctl(master_fd, TIOCSWINSZ, &window);
}

uint8_t tty_eof(int master_fd, bool in_line, unsigned *ret_times)
{
	struct termios mode;

	/* Only at the begin of a line it is the end of a file; within one it ends what is read. */
	*ret_times = in_line ? 2 : 1;
	if (tcgetattr(master_fd, &mode) < 0)
		return 4;
	/* A program that reads characters as they are typed gets it as one, and shells take it for the end. */
	if (!(mode.c_lflag & ICANON))
		*ret_times = 1;
	return mode.c_cc[VEOF];
}

void tty_signal(const struct step *step, int number)
{
	pid_t group = step->main_pid;

	if (step->tty_fd >= 0 && ioctl(step->output_fd[0], TIOCGPGRP, &group) < 0)
		group = step->main_pid;
	/* Never all, and never init's own. */
	if (group > 1)
		kill(-group, number);
}
