/* SPDX-License-Identifier: Apache-2.0
 * Bounded reader and writer for wire and disk formats; all integers little endian.
 * The caller owns the buffer; neither allocates.
 * One thread at a time per reader or writer.
 * Invariant: after the first overrun `failed` stays set, reads give zeros, writes do nothing.
 */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

struct wr {
	uint8_t *start;
	uint8_t *at;
	uint8_t *end;
	bool failed;
};

static inline struct rd rd_init(const void *data, size_t size)
{
	const uint8_t *p = data;

	return (struct rd){.at = p, .end = p + size};
}

static inline struct wr wr_init(void *data, size_t size)
{
	uint8_t *p = data;

	return (struct wr){.start = p, .at = p, .end = p + size};
}

static inline size_t rd_left(const struct rd *r)
{
	return r->failed ? 0 : (size_t)(r->end - r->at);
}

static inline size_t wr_used(const struct wr *w)
{
	return (size_t)(w->at - w->start);
}

/* The next `size` bytes, borrowed from the buffer; NULL and failed if there are not so many. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t size)
{
	if (r->failed || (size_t)(r->end - r->at) < size) {
		r->failed = true;
		return NULL;
	}
	const uint8_t *p = r->at;
	r->at += size;
	return p;
}

static inline uint64_t rd_uint_(struct rd *r, size_t size)
{
	const uint8_t *p = rd_bytes(r, size);
	uint64_t v = 0;

	for (size_t i = 0; p && i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* rd_u8() .. rd_u64(): the next integer; 0 after an overrun. */
#define RD_UINT_(bits)                                                                             \
	static inline uint##bits##_t rd_u##bits(struct rd *r)                                      \
	{                                                                                          \
		return (uint##bits##_t)rd_uint_(r, bits / 8);                                      \
	}
RD_UINT_(8)
RD_UINT_(16)
RD_UINT_(32)
RD_UINT_(64)

static inline void rd_copy(struct rd *r, void *to, size_t size)
{
	const uint8_t *p = rd_bytes(r, size);

	if (p)
		memcpy(to, p, size);
	else
		memset(to, 0, size);
}

/* A u16 length and that many bytes, borrowed; fails above `max`. */
static inline const uint8_t *rd_blob16(struct rd *r, size_t max, size_t *ret_size)
{
	size_t size = rd_u16(r);

	if (size > max)
		r->failed = true;
	*ret_size = r->failed ? 0 : size;
	return rd_bytes(r, *ret_size);
}

static inline void wr_bytes(struct wr *w, const void *data, size_t size)
{
	if (w->failed || (size_t)(w->end - w->at) < size) {
		w->failed = true;
		return;
	}
	if (size)
		memcpy(w->at, data, size);
	w->at += size;
}

static inline void wr_uint_(struct wr *w, uint64_t v, size_t size)
{
	uint8_t b[8];

	for (size_t i = 0; i < size; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	wr_bytes(w, b, size);
}

/* wr_u8() .. wr_u64(). */
#define WR_UINT_(bits)                                                                             \
	static inline void wr_u##bits(struct wr *w, uint##bits##_t v)                              \
	{                                                                                          \
		wr_uint_(w, v, bits / 8);                                                          \
	}
WR_UINT_(8)
WR_UINT_(16)
WR_UINT_(32)
WR_UINT_(64)

/* A u16 length and that many bytes; fails above 65,535. */
static inline void wr_blob16(struct wr *w, const void *data, size_t size)
{
	if (size > UINT16_MAX)
		w->failed = true;
	wr_u16(w, (uint16_t)size);
	wr_bytes(w, data, size);
}

#endif
