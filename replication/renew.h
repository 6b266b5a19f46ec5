/* SPDX-License-Identifier: Apache-2.0
 * After a power cut: own records that no durable seal covers were promised, perhaps, but if they
 * were sent, then in a batch that nobody here can make again. They become records of the node's new
 * slot, as if it had written them now; the old slot goes on at peers with what they got of it. The
 * pool owns the list while it recovers. One thread, barrier held. Invariant: no two batches of this
 * node have one slot, one number, and different records.
 */
#ifndef REPLICATION_RENEW_H
#define REPLICATION_RENEW_H

#include "replication/engine.h"

/* Reads the journal from `pos` on, seals from `sealed` on; rewrites what is open at its end. */
MUST_CHECK int renew_open_records(struct pool *p, uint64_t pos, uint64_t sealed);
/* The stamp, or id, as it is now. */
uint64_t renew_stamp(const struct pool *p, uint64_t stamp);
void renew_end(struct pool *p);

#endif
