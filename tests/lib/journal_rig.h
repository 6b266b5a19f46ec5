/* SPDX-License-Identifier: Apache-2.0
 * A journal in a directory of its own, for tests: records and batches of one slot, a disk that can
 * fail, and what a crash leaves.
 * The rig owns the directory and the journal; rig_done() removes both.
 * Test thread, except journal.h itself. Whatever goes wrong fails the test.
 * Invariant: batches of the rig follow each other and are signed, so that they read as batches do.
 */
#ifndef TESTS_LIB_JOURNAL_RIG_H
#define TESTS_LIB_JOURNAL_RIG_H

#include "replication/journal.h"

#define RIG_POOL    77
#define RIG_SLOT    (3 * SLOT_INCARNATIONS + 1)
#define RIG_SEGMENT ((uint64_t)JOURNAL_SEGMENT_MIN)
#define RIG_FIRST   (RIG_SEGMENT + JOURNAL_SEGMENT_HEAD) /* where the first frame stands */
/* A WRITE record without its data. */
#define RIG_WRITE_HEAD 42

struct journal_rig {
	char dir[128];
	uint64_t max_bytes;
	struct journal *j;
	struct keypair key;
	uint8_t chain[HASH_SIZE];
	uint64_t open_from;  /* when it was closed: as the index has it */
	uint64_t prev;       /* last of the batch before */
	uint64_t foreign[8]; /* last of each foreign slot */
};

/* One for the whole process: what the system calls below the journal answer. */
struct rig_disk {
	int sync_error;    /* fdatasync(2) fails with it */
	int reserve_error; /* fallocate(2) */
	int write_error;   /* pwritev(2) */
	unsigned int syncs;
	/* Called once: between the first part of a pwritev(2) and the rest; before a pread(2). */
	void (*in_write)(void *arg);
	void (*before_read)(void *arg);
	void *arg;
};
extern struct rig_disk rig_disk;

void rig_init(struct journal_rig *rig, uint64_t max_bytes);
void rig_done(struct journal_rig *rig);
/* 0 or what journal_open() says; slot and position as recovery would set them. */
int rig_try_open(struct journal_rig *rig, char *error, size_t size);
void rig_open(struct journal_rig *rig);
/* Closes without a word, as a killed process does. */
void rig_close(struct journal_rig *rig);
/* Closes, opens, and gives the journal its own records back. */
void rig_reopen(struct journal_rig *rig);

/* A WRITE with `size` bytes of `fill`. */
int rig_append(struct journal_rig *rig, uint8_t fill, size_t size, struct journal_ticket *ret);
/* The same, and its effect is made. Returns its stamp. */
stamp_t rig_own(struct journal_rig *rig, uint8_t fill, size_t size);
void rig_void(struct journal_rig *rig, uint8_t fill, size_t size,
	      const struct journal_ticket *ticket);
/* Appends until exactly `room` bytes are left in the segment that is being written. */
void rig_fill(struct journal_rig *rig, uint64_t room);

/* Closes one batch. 0: nothing was there, else how many records. */
uint32_t rig_seal(struct journal_rig *rig);
/* A batch of the i-th foreign slot, with one record of `size` bytes. Returns its last number. */
uint64_t rig_foreign(struct journal_rig *rig, size_t i, size_t size);
uint16_t rig_foreign_slot(size_t i);

struct rig_frame {
	enum journal_kind kind;
	uint64_t pos;
	size_t size;
	stamp_t stamp; /* OWN: of the record; SEAL, FOREIGN: slot and last of the batch */
	uint8_t record_kind;
};

/* All frames from `from` to the tail, in new memory. */
struct rig_frame *rig_frames(struct journal_rig *rig, uint64_t from, size_t *ret_count);
/* The segment file that holds the position. */
void rig_segment(struct journal_rig *rig, uint64_t pos, char ret[160]);
void rig_file_read(const char *path, uint64_t offset, void *ret, size_t size);
void rig_file_write(const char *path, uint64_t offset, const void *data, size_t size);

#endif
