/* SPDX-License-Identifier: Apache-2.0 */
#include "net/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/member.h"

#define MUST false
#define SKIP true

static const struct message_info catalogue[] = {
#define MESSAGE(number, name, class, unknown, since) {number, NET_##class, unknown, since, #name},
#include "net/messages.def"
#undef MESSAGE
};

#undef MUST
#undef SKIP

const struct message_info *message_info(uint16_t type)
{
	for (size_t i = 0; i < sizeof(catalogue) / sizeof(catalogue[0]); i++) {
		if (catalogue[i].type == type)
			return &catalogue[i];
	}
	return NULL;
}

/* Text that goes to a log or a terminal: anything but printable ASCII becomes '?'. */
static void read_printable(struct rd *r, size_t max, char *ret)
{
	size_t size;
	const uint8_t *text = rd_blob16(r, max, &size);

	for (size_t i = 0; text && i < size; i++)
		ret[i] = text[i] >= ' ' && text[i] <= '~' ? (char)text[i] : '?';
	ret[text ? size : 0] = '\0';
}

void hello_encode(const struct hello *hello, struct wr *w)
{
	wr_u16(w, hello->version_min);
	wr_u16(w, hello->version_max);
	wr_u64(w, hello->features);
	wr_u64(w, hello->features_needed);
	wr_u16(w, hello->node);
	wr_u64(w, (uint64_t)hello->wall_ns);
	wr_u64(w, hello->instance);
}

int hello_decode(const void *data, size_t size, struct hello *ret)
{
	struct rd r = rd_init(data, size);

	ret->version_min = rd_u16(&r);
	ret->version_max = rd_u16(&r);
	ret->features = rd_u64(&r);
	ret->features_needed = rd_u64(&r);
	ret->node = rd_u16(&r);
	ret->wall_ns = (int64_t)rd_u64(&r);
	ret->instance = rd_u64(&r);
	if (r.failed || ret->node == 0 || ret->node > FLEET_MEMBERS_MAX)
		return MA_ECORRUPT;
	return ret->version_min <= ret->version_max ? 0 : MA_ECORRUPT;
}

int hello_judge(const struct hello *ours, const struct hello *theirs, char *text, size_t size)
{
	text[0] = '\0';
	if (theirs->version_max < ours->version_min) {
		(void)snprintf(text, size, "speaks wire version %u, we need %u: upgrade it",
			       theirs->version_max, ours->version_min);
		return GOODBYE_VERSION;
	}
	if (theirs->version_min > ours->version_max) {
		(void)snprintf(text, size, "needs wire version %u, we speak %u: upgrade this node",
			       theirs->version_min, ours->version_max);
		return GOODBYE_VERSION;
	}
	if (theirs->features_needed & ~ours->features) {
		(void)snprintf(text, size, "needs features %#" PRIx64 ": upgrade this node",
			       theirs->features_needed & ~ours->features);
		return GOODBYE_VERSION;
	}
	if (ours->features_needed & ~theirs->features) {
		(void)snprintf(text, size, "lacks features %#" PRIx64 ": upgrade it",
			       ours->features_needed & ~theirs->features);
		return GOODBYE_VERSION;
	}
	/* As __int128: a stranger's clock may be anything. */
	__int128 ahead = (__int128)theirs->wall_ns - ours->wall_ns;
	if (ahead > HELLO_CLOCK_MAX_NS || ahead < -HELLO_CLOCK_MAX_NS) {
		(void)snprintf(text, size, "clock is %" PRId64 " s %s ours: set the clocks",
			       (int64_t)((ahead < 0 ? -ahead : ahead) / 1000000000),
			       ahead < 0 ? "behind" : "ahead of");
		return GOODBYE_CLOCK;
	}
	return 0;
}

void goodbye_encode(const struct goodbye *goodbye, struct wr *w)
{
	wr_u16(w, goodbye->code);
	wr_blob16(w, goodbye->text, strnlen(goodbye->text, MESSAGE_TEXT_MAX));
}

int goodbye_decode(const void *data, size_t size, struct goodbye *ret)
{
	struct rd r = rd_init(data, size);

	ret->code = rd_u16(&r);
	read_printable(&r, MESSAGE_TEXT_MAX, ret->text);
	return r.failed ? MA_ECORRUPT : 0;
}

int goodbye_error(uint16_t code)
{
	switch (code) {
	case GOODBYE_SHUTDOWN:
		return -ECONNRESET;
	case GOODBYE_DUPLICATE:
		return -EALREADY;
	case GOODBYE_VERSION:
		return MA_EVERSION;
	case GOODBYE_CLOCK:
		return MA_ECLOCK;
	case GOODBYE_PROTOCOL:
		return MA_ECORRUPT;
	default:
		return MA_EREFUSED;
	}
}

void credit_encode(const struct credit *credit, struct wr *w)
{
	for (uint8_t c = 0; c < NET_CLASSES; c++) {
		if (!credit->bytes[c])
			continue;
		wr_u8(w, c);
		wr_u32(w, credit->bytes[c]);
	}
}

int credit_decode(const void *data, size_t size, struct credit *ret)
{
	struct rd r = rd_init(data, size);

	memset(ret, 0, sizeof(*ret));
	while (rd_left(&r) && !r.failed) {
		uint8_t class = rd_u8(&r);
		uint32_t bytes = rd_u32(&r);

		if (class >= NET_CLASSES || bytes > NET_CREDIT_BYTES || ret->bytes[class])
			return MA_ECORRUPT;
		ret->bytes[class] = bytes;
	}
	return r.failed ? MA_ECORRUPT : 0;
}

void join_proof_encode(const struct join_proof *proof, struct wr *w)
{
	wr_u16(w, proof->version_min);
	wr_u16(w, proof->version_max);
	wr_bytes(w, proof->fleet_key, sizeof(proof->fleet_key));
	wr_bytes(w, proof->signature, sizeof(proof->signature));
}

int join_proof_decode(const void *data, size_t size, struct join_proof *ret)
{
	struct rd r = rd_init(data, size);

	ret->version_min = rd_u16(&r);
	ret->version_max = rd_u16(&r);
	rd_copy(&r, ret->fleet_key, sizeof(ret->fleet_key));
	rd_copy(&r, ret->signature, sizeof(ret->signature));
	return r.failed ? MA_ECORRUPT : 0;
}

void join_request_encode(const struct join_request *request, struct wr *w)
{
	wr_u16(w, request->version_min);
	wr_u16(w, request->version_max);
	wr_bytes(w, request->token_id, sizeof(request->token_id));
	wr_bytes(w, request->token_secret, sizeof(request->token_secret));
	wr_blob16(w, request->name, strnlen(request->name, FLEET_NAME_MAX));
	wr_blob16(w, request->address, strnlen(request->address, sizeof(request->address) - 1));
}

int join_request_decode(const void *data, size_t size, struct join_request *ret)
{
	struct rd r = rd_init(data, size);

	ret->version_min = rd_u16(&r);
	ret->version_max = rd_u16(&r);
	rd_copy(&r, ret->token_id, sizeof(ret->token_id));
	rd_copy(&r, ret->token_secret, sizeof(ret->token_secret));
	read_printable(&r, FLEET_NAME_MAX, ret->name);
	read_printable(&r, sizeof(ret->address) - 1, ret->address);
	if (r.failed || !member_name_valid(ret->name))
		return MA_ECORRUPT;
	return !ret->address[0] || member_address_valid(ret->address) ? 0 : MA_ECORRUPT;
}

void join_answer_encode(const struct join_answer *answer, struct wr *w)
{
	wr_u16(w, answer->code);
	wr_blob16(w, answer->text, strnlen(answer->text, MESSAGE_TEXT_MAX));
	if (answer->code)
		return;
	wr_u16(w, answer->number);
	wr_bytes(w, answer->fleet_seed, sizeof(answer->fleet_seed));
	wr_bytes(w, answer->records, answer->records_size);
}

int join_answer_decode(const void *data, size_t size, struct join_answer *ret)
{
	struct rd r = rd_init(data, size);

	memset(ret, 0, sizeof(*ret));
	ret->code = rd_u16(&r);
	read_printable(&r, MESSAGE_TEXT_MAX, ret->text);
	if (ret->code || r.failed)
		return r.failed ? MA_ECORRUPT : 0;
	ret->number = rd_u16(&r);
	rd_copy(&r, ret->fleet_seed, sizeof(ret->fleet_seed));
	ret->records_size = rd_left(&r);
	ret->records = rd_bytes(&r, ret->records_size);
	return r.failed ? MA_ECORRUPT : 0;
}
