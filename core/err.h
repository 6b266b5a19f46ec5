/* SPDX-License-Identifier: Apache-2.0
 * Error codes. A function that can fail returns 0 (or a count) or a negative code.
 * System errors are -errno; our own codes lie below -1000. Nobody owns anything here.
 * Any thread. Invariant: err_text() has a sentence for each code.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum ma_err {
	MA_ECORRUPT = -1001, /* bytes on disk or wire contradict their checksum or format */
	MA_EGAP = -1002,     /* a batch does not follow the one we hold of that origin */
	MA_EFORK = -1003,    /* same position, different history: two streams under one slot */
	MA_ESIG = -1004,     /* a signature does not verify */
	MA_EREFUSED = -1005, /* the other side is not allowed to do this */
	MA_EVERSION = -1006, /* the other side needs something this version does not know */
	MA_EUNKNOWN = -1007, /* no such member, pool or object */
	MA_ELIMIT = -1008,   /* a named maximum would be exceeded */
	MA_ECLOCK = -1009,   /* a clock is too far off to merge its stamps */
	MA_ESTORE = -1010,   /* the backing directory is not the one this pool belongs to */
	MA_EBACK = -1011,    /* a node lacks what it had acknowledged; it has to join anew */
	MA_EUSAGE = -1012,   /* a person asked for something that makes no sense; text says what */
};

/* A short sentence for a negative code; never NULL, static or thread-local storage. */
const char *err_text(int code);

/* The errno to give an application for a code: -errno codes as they are, own codes as EIO. */
int err_errno(int code);

/* Writes a sentence for a person into `error` (what was tried, on what, why, what to do) and gives
 * `code` back: return err_say(...). */
int err_say(char *error, size_t size, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
