/* SPDX-License-Identifier: Apache-2.0
 * Shared by the files of fs_calls: looking at files, expecting errors, a directory for each test.
 * Nobody owns anything; each test has an empty working directory.
 * One thread. Invariant: a test leaves nothing behind, passed or failed.
 */
#ifndef TESTS_POSIX_FS_CALLS_H
#define TESTS_POSIX_FS_CALLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

#define NOBODY 65534u

/* The call fails with this errno. */
#define assert_fails(call, error)                                                                  \
	do {                                                                                       \
		errno = 0;                                                                         \
		assert_true((call) == -1);                                                         \
		assert_int_equal(errno, error);                                                    \
	} while (0)

#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, in_own_dir, out_of_own_dir)

int in_own_dir(void **state);
int out_of_own_dir(void **state);

struct stat stat_of(const char *name);
void put(const char *name, const char *text);
void expect(const char *name, const char *text);
/* Runs fn in a process of user NOBODY; its result is the exit status. */
int as_nobody(int (*fn)(void));

/* The groups: how many tests failed. */
int fs_data(void);
int fs_names(void);
int fs_attrs(void);

#endif
