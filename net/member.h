/* SPDX-License-Identifier: Apache-2.0
 * Member records: their bytes, the fleet's signature on them, and which of two counts.
 * The caller owns all buffers. A record is passed on as the bytes it came in, so that fields of
 * a newer version survive.
 * Any thread; pure.
 * Invariant: the order of two records of one number is total and the same on all nodes.
 */
#ifndef NET_MEMBER_H
#define NET_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/err.h"
#include "net/fleet.h"

#define MEMBER_RECORD_MAX 8192 /* ours are at most 2.8 KiB; the rest is for newer versions */

/* Bytes and signature of `member`; returns the size, or MA_ELIMIT. */
MUST_CHECK int member_seal(const struct member *member, const struct keypair *fleet_key,
			   uint8_t ret[MEMBER_RECORD_MAX]);

/* Decodes without looking at the signature. MA_ECORRUPT. */
MUST_CHECK int member_decode(const uint8_t *record, size_t size, struct member *ret);

/* MA_ESIG unless the fleet has signed it. */
MUST_CHECK int member_verify(const uint8_t *record, size_t size,
			     const uint8_t fleet_public[KEY_PUBLIC_SIZE]);

enum member_choice {
	MEMBER_KEEP,       /* the one we hold */
	MEMBER_TAKE,       /* the new one */
	MEMBER_CLASH_KEEP, /* two nodes under one number: the one we hold stays */
	MEMBER_CLASH_TAKE, /* ... the new one was there earlier */
};

/* Removed beats left beats active; then the higher version; then the bytes decide. Of two
 * different keys under one number the one that was added first keeps it. */
struct member_sealed {
	const struct member *member;
	const uint8_t *record;
	size_t size;
};
enum member_choice member_choose(const struct member_sealed *held,
				 const struct member_sealed *offered);

/* True for what may stand as the name of a node or pool: 1 to 63 bytes, no control characters, no
 * space or slash, no leading dot or dash. */
bool member_name_valid(const char *name);
/* Printable ASCII without spaces, 1 to 63 bytes. */
bool member_address_valid(const char *address);

#endif
