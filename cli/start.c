/* SPDX-License-Identifier: Apache-2.0
 * Starting the daemon where none runs: by systemd where it has our unit, else as a process of our
 * own making, and waiting for its control socket to appear.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/auto.h"
#include "core/io.h"
#include "core/clock.h"
#include "core/proc.h"

#define START_LIMIT_MS 600000 /* opening pools after a crash may take its time */
#define ALREADY_RUNS   3      /* exit status of a daemon that found another one */
#define LOG_TAIL       600    /* bytes of the log that an error shows */

static bool systemd_has_unit(void)
{
	static const char *const units[] = {
		"/etc/systemd/system/multiall.service",
		"/run/systemd/system/multiall.service",
		"/lib/systemd/system/multiall.service",
		"/usr/lib/systemd/system/multiall.service",
	};
	struct stat st;

	if (stat("/run/systemd/system", &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (stat(units[i], &st) == 0)
			return true;
	}
	return false;
}

static int start_by_systemd(char *error, size_t size)
{
	static const char *const argv[] = {"systemctl", "start", "multiall", NULL};
	int r = proc_run((char *const *)(uintptr_t)argv);

	if (r < 0)
		return err_say(error, size, r, "cannot run systemctl start multiall: %s",
			       err_text(r));
	if (r > 0)
		return err_say(
			error, size, -EIO,
			"takeconnector did not start: \"systemctl start multiall\" ended with "
			"status %d; journalctl -u multiall says why",
			r);
	return 0;
}

/* Beside this program, or in sbin where that is in bin; else by its name in PATH. */
static char *daemon_path(void)
{
	static const char *const near[] = {"takeconnector", "../sbin/takeconnector"};
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (size > 0) {
		self[size] = '\0';
		char *slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
		for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
			AUTO_FREE char *path = path_join(self, near[i]);
			if (path && access(path, X_OK) == 0)
				return take_ptr(path);
		}
	}
	return strdup("takeconnector");
}

/* The last lines of the log, for an error text. */
static void log_tail(const char *path, char *ret, size_t size)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t length = 0;

	ret[0] = '\0';
	if (file_read(path, 64u << 20, &data, &length) < 0)
		return;
	const char *from = (const char *)data + (length > LOG_TAIL ? length - LOG_TAIL : 0);
	if (length > LOG_TAIL && strchr(from, '\n'))
		from = strchr(from, '\n') + 1;
	(void)snprintf(ret, size, "%s", from);
}

/* The child has ended before it listened. 0: another daemon runs already, wait for that one. */
static int child_ended(const struct cli *cli, int pidfd, char *error, size_t size)
{
	char tail[LOG_TAIL + 1];
	int status = proc_result(pidfd);

	if (status == ALREADY_RUNS)
		return 0;
	log_tail(cli->places.log, tail, sizeof(tail));
	return err_say(error, size, -ECHILD,
		       "takeconnector was started and ended with status %d; the end of %s:\n%s",
		       status, cli->places.log, tail);
}

/* Until the socket takes a connection. It is renamed into place, which inotify tells. */
static int wait_for_socket(const struct cli *cli, int watch, int pidfd, char *error, size_t size)
{
	uint64_t end = clock_boot_ms() + START_LIMIT_MS;
	struct pollfd fds[] = {{.fd = watch, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	char events[4096];

	for (;;) {
		AUTO_CLOSE int fd = -1;
		uint64_t now = clock_boot_ms();

		if (cli_connect(cli, &fd) == 0)
			return 0;
		if (now >= end)
			return err_say(error, size, -ETIMEDOUT,
				       "takeconnector runs, but did not open its control socket %s "
				       "in %d s; see %s",
				       cli->places.control, START_LIMIT_MS / 1000, cli->places.log);
		if (poll(fds, 2, (int)(end - now)) < 0 && errno != EINTR)
			return err_say(error, size, -errno, "cannot wait for takeconnector: %s",
				       err_text(-errno));
		if (fds[0].revents && read(watch, events, sizeof(events)) < 0 && errno != EAGAIN)
			return err_say(error, size, -errno, "cannot watch %s: %s", cli->places.run,
				       err_text(-errno));
		if (fds[1].revents) {
			int r = child_ended(cli, pidfd, error, size);
			if (r < 0)
				return r;
			fds[1].fd = -1;
			fds[1].revents = 0;
		}
	}
}

static int make_places(const struct cli *cli, char *error, size_t size)
{
	AUTO_FREE char *log_dir = strdup(cli->places.log);

	if (!log_dir)
		return err_say(error, size, -ENOMEM, "no memory");
	*strrchr(log_dir, '/') = '\0';
	int r = dir_make(log_dir, 0755);
	if (r < 0)
		return err_say(error, size, r, "cannot start takeconnector: %s: %s", log_dir,
			       err_text(r));
	r = dir_make(cli->places.run, 0755);
	if (r < 0)
		return err_say(error, size, r, "cannot start takeconnector: %s: %s",
			       cli->places.run, err_text(r));
	return 0;
}

int cli_start_daemon(const struct cli *cli, char *error, size_t size)
{
	bool own_root = cli->places.root[0] != '\0';

	if (!own_root && systemd_has_unit())
		return start_by_systemd(error, size);
	int r = make_places(cli, error, size);
	if (r < 0)
		return r;
	AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0 || inotify_add_watch(watch, cli->places.run, IN_MOVED_TO | IN_CREATE) < 0)
		return err_say(error, size, -errno, "cannot watch %s: %s", cli->places.run,
			       err_text(-errno));
	AUTO_FREE char *path = daemon_path();
	char root_option[] = "--root";
	char *argv[] = {path, own_root ? root_option : NULL, cli->places.root, NULL};
	AUTO_CLOSE int pidfd = -1;
	r = path ? proc_detach(argv, cli->places.log, &pidfd) : -ENOMEM;
	if (r < 0)
		return err_say(error, size, r, "cannot start %s: %s%s",
			       path ? path : "takeconnector", err_text(r),
			       r == -ENOENT ? " (neither beside multiall nor in PATH)" : "");
	return wait_for_socket(cli, watch, pidfd, error, size);
}
