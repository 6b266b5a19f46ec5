/* SPDX-License-Identifier: Apache-2.0
 * Checks of files and file systems. Any of these calls may hang with its disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <mntent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/units.h"
#include "health/check.h"

#define HASH_FILE_MAX (256u << 20) /* bytes; larger files are not read through */

static bool statfs_take(const struct check_call *call, struct statvfs *fs, struct check_answer *ret)
{
	if (statvfs(call->words[0], fs) == 0)
		return true;
	check_say_nothing(ret, "%.150s: %s", call->words[0], err_text(-errno));
	return false;
}

void check_space(const struct check_call *call, struct check_answer *ret)
{
	char free_text[UNITS_TEXT_MAX];
	struct statvfs fs;

	if (!statfs_take(call, &fs, ret))
		return;
	/* As df: of what others than root can have. */
	double used = (double)(fs.f_blocks - fs.f_bfree);
	double left = (double)fs.f_bavail;
	size_text((uint64_t)fs.f_bavail * fs.f_frsize, free_text, sizeof(free_text));
	check_say_value(ret, call, used + left > 0 ? 100 * left / (used + left) : 100,
			"%.120s: %s free (%.0f %%)", call->words[0], free_text,
			used + left > 0 ? 100 * left / (used + left) : 100);
}

void check_inodes(const struct check_call *call, struct check_answer *ret)
{
	struct statvfs fs;

	if (!statfs_take(call, &fs, ret))
		return;
	if (fs.f_files == 0) {
		check_say_good(ret, "%.120s: its file system does not count inodes",
			       call->words[0]);
		return;
	}
	double share = 100 * (double)fs.f_favail / (double)fs.f_files;
	check_say_value(ret, call, share, "%.120s: %llu inodes free (%.0f %%)", call->words[0],
			(unsigned long long)fs.f_favail, share);
}

void check_writable(const struct check_call *call, struct check_answer *ret)
{
	struct statvfs fs;

	if (!statfs_take(call, &fs, ret))
		return;
	if (fs.f_flag & ST_RDONLY)
		check_say_fault(ret, "%.150s is mounted read-only", call->words[0]);
	else
		check_say_good(ret, "%.150s is mounted for writing", call->words[0]);
}

void check_mount(const struct check_call *call, struct check_answer *ret)
{
	const char *type = call->word_count > 1 ? call->words[1] : NULL;
	char table[512], found[64] = "";
	char buffer[4096];
	struct mntent entry;

	/* The table of the kernel, not the mount itself: that one may hang. */
	(void)snprintf(table, sizeof(table), "%s/proc/self/mounts", call->base);
	FILE *file = setmntent(table, "re");
	if (!file) {
		check_say_nothing(ret, "the table of mounts can't be read");
		return;
	}
	while (getmntent_r(file, &entry, buffer, sizeof(buffer))) {
		if (strcmp(entry.mnt_dir, call->words[0]) == 0)
			(void)snprintf(found, sizeof(found), "%s", entry.mnt_type);
	}
	(void)endmntent(file);
	if (!found[0])
		check_say_fault(ret, "nothing is mounted at %.150s", call->words[0]);
	else if (type && strcmp(type, found) != 0)
		check_say_fault(ret, "%.100s is a mount of type %s, not %.40s", call->words[0],
				found, type);
	else
		check_say_good(ret, "%.150s is mounted (%s)", call->words[0], found);
}

/* Compares the BLAKE2b-256 of the content; a text where it differs or can't be known. */
static void check_hash(const char *path, const char *wanted, struct check_answer *ret)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	AUTO_FREE char *buffer = malloc(1u << 16);
	struct hasher hasher;
	uint8_t hash[HASH_SIZE];
	uint8_t hash_wanted[HASH_SIZE];
	uint64_t total = 0;
	ssize_t n = -1;

	if (hex_decode(wanted, hash_wanted, sizeof(hash_wanted)) < 0) {
		check_say_nothing(ret, "hash: write the 64 digits that b2sum -l 256 prints");
		return;
	}
	hasher_init(&hasher);
	while (fd >= 0 && buffer && total <= HASH_FILE_MAX &&
	       (n = read(fd, buffer, 1u << 16)) > 0) {
		hasher_add(&hasher, buffer, (size_t)n);
		total += (size_t)n;
	}
	hasher_done(&hasher, hash);
	if (n != 0)
		check_say_nothing(ret, "%.120s can't be read through: %s", path,
				  total > HASH_FILE_MAX ? "larger than 256 MiB" : err_text(-errno));
	else if (!crypto_equal(hash, hash_wanted, HASH_SIZE))
		check_say_fault(ret, "%.150s has another content than wanted", path);
}

static bool user_is(const char *name, uid_t uid, bool *ret_known)
{
	struct passwd entry;
	struct passwd *found = NULL;
	char buffer[2048];

	*ret_known = getpwnam_r(name, &entry, buffer, sizeof(buffer), &found) == 0 && found;
	return *ret_known && entry.pw_uid == uid;
}

static bool group_is(const char *name, gid_t gid, bool *ret_known)
{
	struct group entry;
	struct group *found = NULL;
	char buffer[4096];

	*ret_known = getgrnam_r(name, &entry, buffer, sizeof(buffer), &found) == 0 && found;
	return *ret_known && entry.gr_gid == gid;
}

/* One "key=value" against the file. */
static void file_word(const char *path, const struct stat *st, double age_s, const char *word,
		      struct check_answer *ret)
{
	const char *value = strchr(word, '=');
	size_t key = value ? (size_t)(value++ - word) : strlen(word);
	uint64_t time_s = 0;
	bool known = true;
	bool right = false;

#define IS(name) (key == strlen(name) && memcmp(word, name, key) == 0 && value)
	if (IS("max-age") && duration_parse(value, &time_s) == 0) {
		right = age_s <= (double)time_s;
	} else if (IS("min-age") && duration_parse(value, &time_s) == 0) {
		right = age_s >= (double)time_s;
	} else if (IS("owner")) {
		right = user_is(value, st->st_uid, &known);
	} else if (IS("group")) {
		right = group_is(value, st->st_gid, &known);
	} else if (IS("mode")) {
		right = (st->st_mode & 07777) == (mode_t)strtoul(value, NULL, 8);
	} else if (IS("hash")) {
		check_hash(path, value, ret);
		return;
	} else {
		known = false;
	}
#undef IS
	if (!known)
		check_say_nothing(ret, "file: \"%.60s\" can't be looked for", word);
	else if (!right)
		check_say_fault(ret, "%.120s is not as wanted: %.60s", path, word);
}

void check_file(const struct check_call *call, struct check_answer *ret)
{
	const char *path = call->words[0];
	bool absent = call->word_count > 1 && strcmp(call->words[1], "absent") == 0;
	struct stat st;

	int r = stat(path, &st) < 0 ? -errno : 0;
	if (r == -ENOENT || r == -ENOTDIR) {
		if (absent)
			check_say_good(ret, "%.150s is not there, as wanted", path);
		else
			check_say_fault(ret, "%.150s is not there", path);
		return;
	}
	if (r < 0) {
		check_say_nothing(ret, "%.150s: %s", path, err_text(r));
		return;
	}
	if (absent) {
		check_say_fault(ret, "%.150s is there, and should not be", path);
		return;
	}
	double age_s = (double)clock_wall_ns() / 1e9 - (double)st.st_mtim.tv_sec;
	check_say_value(ret, call, age_s, "%.150s is as wanted", path);
	for (size_t i = 1; i < call->word_count && ret->sample.kind == SAMPLE_VALUE; i++)
		file_word(path, &st, age_s, call->words[i], ret);
}
