/* SPDX-License-Identifier: Apache-2.0 */
#include "core/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_code(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

static int wait_for(idtype_t type, id_t id)
{
	siginfo_t info;

	while (waitid(type, id, &info, WEXITED) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status_code(&info);
}

int proc_run(char *const *argv)
{
	pid_t pid;
	int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

	return r ? -r : wait_for(P_PID, (id_t)pid);
}

int proc_detach(char *const *argv, const char *log, int *ret_pidfd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = -1;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	if (!r)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	if (!r)
		r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	if (!r)
		r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log,
						     O_WRONLY | O_CREAT | O_APPEND, 0640);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (!r)
		r = posix_spawn_file_actions_addchdir_np(&actions, "/");
	if (!r)
		r = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r)
		return -r;
	/* Our child until it is waited for: the number can't stand for another process yet. */
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -errno;
	*ret_pidfd = fd;
	return 0;
}

int proc_result(int pidfd)
{
	return wait_for(P_PIDFD, (id_t)pidfd);
}
