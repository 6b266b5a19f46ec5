/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/log.h"

#define DEVICE        "/dev/fuse"
#define FILE_TYPE     "fuse.multiall"
#define DEAD_MOUNTS   16 /* stacked on one place by daemons killed in turn */
#define READ_AHEAD_KB 1024

/* Asks the daemon itself: the kernel goes on answering from its cache after the daemon's end. */
static bool mount_is_dead(const char *path)
{
	struct statx stx;

	return statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &stx) != 0 &&
	       (errno == ENOTCONN || errno == ECONNABORTED);
}

/* True if something is mounted exactly there. */
static bool mount_is_there(const char *path)
{
	char *above AUTO_FREE = path_join(path, "..");
	struct stat st;
	struct stat st_above;

	if (!above || stat(path, &st) != 0 || stat(above, &st_above) != 0)
		return false;
	return st.st_dev != st_above.st_dev;
}

int mountpoint_prepare(const char *path, char *error, size_t size)
{
	for (int i = 0; i < DEAD_MOUNTS && mount_is_dead(path); i++) {
		log_info("mount: %s is the mount of a daemon that has ended; removing it", path);
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
			int code = -errno;

			return err_say(error, size, code,
				       "can't remove the dead mount at %s: %s; try umount -l %s",
				       path, err_text(code), path);
		}
	}
	int code = dir_make(path, 0755);

	if (code)
		return err_say(error, size, code, "can't make the mount point %s: %s", path,
			       err_text(code));
	if (mount_is_there(path))
		return err_say(error, size, -EBUSY,
			       "something is mounted at %s already; is another daemon running?",
			       path);
	return 0;
}

/* The kernel's default of 128 KiB makes eight requests out of one; a failure costs only that. */
static void read_ahead_set(const char *path)
{
	struct statx stx;
	char file[64];

	/* Not stat(2): the attributes come from the daemon, which is not serving yet. */
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, 0, &stx) != 0)
		return;
	(void)snprintf(file, sizeof(file), "/sys/class/bdi/%u:%u/read_ahead_kb", stx.stx_dev_major,
		       stx.stx_dev_minor);
	int fd AUTO_CLOSE = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)dprintf(fd, "%d\n", READ_AHEAD_KB);
}

int mountpoint_mount(const char *path, const char *name, int *ret_fd, char *error, size_t size)
{
	char source[128];
	char options[128];
	int fd AUTO_CLOSE = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		int code = -errno;

		return err_say(error, size, code, "can't open " DEVICE ": %s; try modprobe fuse",
			       err_text(code));
	}
	(void)snprintf(source, sizeof(source), "multiall:%s", name);
	(void)snprintf(options, sizeof(options),
		       "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other,default_permissions",
		       fd);
	/* As a local disk: setuid programs and device files count. */
	if (mount(source, path, FILE_TYPE, 0, options) != 0) {
		int code = -errno;

		return err_say(error, size, code, "can't mount pool %s at %s: %s", name, path,
			       err_text(code));
	}
	read_ahead_set(path);
	*ret_fd = take_fd(&fd);
	return 0;
}

void mountpoint_abort_below(const char *dir)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	char buffer[8192];
	struct mntent entry;
	size_t length = strlen(dir);

	while (f && getmntent_r(f, &entry, buffer, (int)sizeof(buffer))) {
		if (strcmp(entry.mnt_type, FILE_TYPE) != 0 ||
		    strncmp(entry.mnt_dir, dir, length) != 0 || entry.mnt_dir[length] != '/')
			continue;
		log_info("mount: %s is left from a daemon that has ended", entry.mnt_dir);
		/* Whether it is unmounted too does not matter: mountpoint_prepare() does that. */
		if (umount2(entry.mnt_dir, MNT_FORCE | UMOUNT_NOFOLLOW) != 0)
			log_debug("mount: %s: %s", entry.mnt_dir, err_text(-errno));
	}
	if (f)
		(void)endmntent(f);
}

void mountpoint_unmount(const char *path)
{
	if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL)
		return;
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL)
		log_error("mount: can't unmount %s: %s", path, err_text(-errno));
}
