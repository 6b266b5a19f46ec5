/* SPDX-License-Identifier: Apache-2.0
 * Contents that this node has to get from peers: the list of what is missing, asking, staging.
 * The pool owns the list; it is rebuilt from the index values at start.
 * fetch_note(): any thread. The others: the pool's worker thread.
 * Invariant: an object with something missing is in the list; a content is shown only when it
 * stands whole in the private directory and its hash is the sender's.
 */
#ifndef REPLICATION_FETCH_H
#define REPLICATION_FETCH_H

#include "replication/engine.h"

#define FETCH_WINDOW 32 /* questions under way at once */
#define FETCH_CHUNK  (256u << 10)

MUST_CHECK int fetch_new(struct pool *p);
/* The object has a content missing (content_wanted()). */
void fetch_note(struct pool *p, uint64_t id);
/* As a peer says, so many bytes long: for the progress that is shown. */
void fetch_expect(struct pool *p, uint64_t id, uint64_t bytes);
/* Fills in the progress if contents come from this node. */
void fetch_progress(struct pool *p, uint16_t node, struct pool_peer_status *ret);
/* How many objects have. */
size_t fetch_count(struct pool *p);
/* Asks connected peers, as far as the window allows. */
void fetch_pump(struct pool *p);
/* A peer is gone: what it was asked is asked elsewhere. */
void fetch_peer_gone(struct pool *p, uint16_t node);
/* FETCH: a peer asks. FETCH_DATA: an answer. MA_ECORRUPT for what does not decode. */
MUST_CHECK int fetch_serve(struct pool *p, uint16_t node, struct rd *body);
MUST_CHECK int fetch_receive(struct pool *p, uint16_t node, struct rd *body);
/* A peer's queue has room again: go on with what is being sent to it. */
void fetch_writable(struct pool *p, uint16_t node);
/* --- between fetch.c and fetch_serve.c --- */
enum fetch_status {
	FETCH_MORE = 0,  /* bytes at an offset */
	FETCH_LAST = 1,  /* the hash of all: done */
	FETCH_NONE = 2,  /* it cannot be had here now; at offset FETCH_NOT_HERE: it is not here */
	FETCH_DELTA = 3, /* a piece of a delta against what the asker described */
};
#define FETCH_NOT_HERE 1
/* Hashes where bytes stand and what they are; holes count by not being there. */
void fetch_hash_piece(struct hasher *h, uint64_t offset, const void *data, size_t size);
void fetch_serve_gone(struct pool *p, uint16_t node);
void fetch_serve_free(struct pool *p);

MUST_CHECK int fetch_save(struct pool *p, uint8_t **ret, size_t *ret_size);
MUST_CHECK int fetch_load(struct pool *p, const void *data, size_t size);
void fetch_free(struct pool *p);

#endif
