/* SPDX-License-Identifier: Apache-2.0
 * The journal of a pool: every change, own or of a peer, in the order in which this node made it.
 * Owns its directory of segments and the buffer of own records that are not yet in a batch.
 * Any thread (one lock inside); journal_seal_*() and journal_trim() from the commit thread only.
 * Invariant: what stands before journal_tail() is whole and is found again after a crash of the
 * process; what stands before journal_durable() also after a power cut.
 */
#ifndef REPLICATION_JOURNAL_H
#define REPLICATION_JOURNAL_H

#include "replication/batch.h"

#define JOURNAL_FRAME_HEAD   16
#define JOURNAL_SEGMENT_HEAD 4096
#define JOURNAL_SEGMENT_MIN  (8u << 20)
#define JOURNAL_SEGMENT_MAX  (64u << 20)
#define JOURNAL_INFLIGHT_MAX 64 /* calls between append and done; more wait */
#define JOURNAL_OPEN_MAX                                                                           \
	(16u << 20) /* bytes waiting for a batch; new calls wait before they begin */

enum journal_kind {
	JOURNAL_OWN = 1,  /* one record of this node */
	JOURNAL_SEAL = 2, /* u32 count, then a batch head: makes the oldest `count` own a batch */
	JOURNAL_FOREIGN = 3, /* a whole batch of another origin */
	JOURNAL_ABSENT = 4,  /* stamps of the next batch whose bytes did not come beside it */
	JOURNAL_PAD = 5,     /* nothing more in this segment */
};

struct journal;

struct journal_config {
	const char *dir;
	uint64_t pool;
	uint64_t max_bytes;   /* of all segments together; at least two segments are kept */
	size_t segment_bytes; /* of each; 0: chosen by max_bytes */
};

MUST_CHECK int journal_open(const struct journal_config *config, struct journal **ret, char *error,
			    size_t size);
void journal_close(struct journal *j);

/* Between reading the journal (recovery) and its first append: own slot, and the highest sequence
 * number seen of anybody. The slot must not change while own records wait for their batch. */
void journal_set_slot(struct journal *j, uint16_t slot);
void journal_see_seq(struct journal *j, uint64_t seq);
/* Stamps follow this node's clock only as far as time has passed since others agreed with it, which
 * is now; `false`: since the latest change that is known. journal_clock_alone(): there are no
 * others. */
void journal_clock_vouched(struct journal *j, bool by_others);
void journal_clock_alone(struct journal *j, bool alone);

/* An own record between its append and the end of its effect. */
struct journal_ticket {
	stamp_t stamp;
	uint64_t pos;
	size_t size;
	unsigned int index;
};

/* Waits while JOURNAL_OPEN_MAX is open. Before any lock or the barrier is taken: who closes batches
 * may have to wait for who holds them. */
void journal_wait_room(struct journal *j);

/* Gives the record its stamp (and a MAKE its id, a LINK its link id) and appends it.
 * Waits for room in flight. -ENOSPC: no room for another segment on disk. */
MUST_CHECK int journal_append(struct journal *j, struct record *record, struct journal_ticket *ret);
/* The effect is made. */
void journal_done(struct journal *j, const struct journal_ticket *ticket);
/* The effect failed: the record becomes a VOID of the same size. */
void journal_void(struct journal *j, const struct journal_ticket *ticket,
		  const struct record *record);

/* During recovery: the own record at `pos` becomes this one, of the same size. */
MUST_CHECK int journal_rewrite(struct journal *j, uint64_t pos, const struct record *record);

/* A foreign batch or merged state, as it came. MA_ECORRUPT for a batch that is none. */
MUST_CHECK int journal_append_frame(struct journal *j, enum journal_kind kind, const void *data,
				    size_t size, uint64_t *ret_pos);

/* True if finished own records wait for a batch. */
bool journal_open_records(struct journal *j);
/* Takes finished own records, in order, up to BATCH_RECORDS_SEAL with the bytes that they name (and
 * at least one): fills slot, first, last, count, records, apart of `batch`; the caller frees
 * ret_records. 0: none, 1: some. */
MUST_CHECK int journal_seal_take(struct journal *j, struct batch *batch, uint8_t **ret_records);
/* Appends the seal for the batch just taken (chain and signature are made); ret_from is where its
 * first record stands. */
MUST_CHECK int journal_seal_put(struct journal *j, const struct batch *batch, uint64_t *ret_from);
/* During recovery: an own record or a seal that was read, to restore the open buffer. */
MUST_CHECK int journal_reopen(struct journal *j, enum journal_kind kind, uint64_t pos,
			      const void *payload, size_t size);

uint64_t journal_tail(struct journal *j);
/* Where the first own record without a batch stands; the tail if there is none. */
uint64_t journal_open_from(struct journal *j);
uint64_t journal_durable(struct journal *j);
/* Own records before here stay what they are; later ones may still become VOID. */
uint64_t journal_settled(struct journal *j);
uint64_t journal_bytes(struct journal *j);   /* on disk */
uint64_t journal_records(struct journal *j); /* own records appended since it was opened */
/* fdatasync(2) of what stands before `upto`, a tail of before. An error is final (EIO). */
MUST_CHECK int journal_sync(struct journal *j, uint64_t upto);
/* The same for an error elsewhere: nothing is promised any more. */
void journal_fail(struct journal *j, int code);
/* During recovery: the own EXTENT at `pos`, which has no batch yet, says this from now on.
 * MA_EUNKNOWN: there is none. */
MUST_CHECK int journal_amend(struct journal *j, uint64_t pos, const struct record *record);

/* One frame; payload is borrowed from the reader until the next read. */
struct journal_frame {
	enum journal_kind kind;
	uint64_t pos;
	uint64_t next; /* position behind it */
	const uint8_t *payload;
	size_t size;
};

struct journal_reader {
	uint8_t *buffer;
	size_t capacity;
};

void journal_reader_done(struct journal_reader *reader);
/* 1: a frame; 0: the tail; MA_EGAP: `pos` is no longer kept; MA_ECORRUPT. */
MUST_CHECK int journal_read(struct journal *j, struct journal_reader *reader, uint64_t pos,
			    struct journal_frame *ret);

/* First position that is kept. */
uint64_t journal_first(struct journal *j);
/* Nothing was ever let go. */
bool journal_whole(struct journal *j);
/* Where a reader has to begin to find all batches that `have` does not cover; MA_EGAP if some of
 * them are no longer kept. */
MUST_CHECK int journal_start(struct journal *j, const struct vector *have, uint64_t *ret_pos);
/* What is complete without being in the journal: recovered, or come as state. The heads of segments
 * name it together with all batches that stand before them. */
void journal_set_vector(struct journal *j, const struct vector *v);
/* Lets go of segments before `keep`; beyond max_bytes also of later ones, but never of what lies
 * at or after `need` (not yet in the index). */
void journal_trim(struct journal *j, uint64_t keep, uint64_t need);

#endif
