/* SPDX-License-Identifier: Apache-2.0
 * What the files of fs_random must hold: contents in memory, names, what is open and mapped.
 * The model owns contents, descriptors and mappings.
 * One thread. Whatever is not as the model says ends the program with what was done last.
 * Invariant: an object lives as long as a name, a descriptor or a mapping refers to it.
 */
#ifndef TESTS_RANDOM_MODEL_H
#define TESTS_RANDOM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NAMES       14 /* in two directories; more names than objects, for hard links */
#define OBJECTS     32
#define OPENS       6
#define MAPS        3
#define CONTENT_MAX (200u << 10)
#define LOG_LINES   40

struct content {
	unsigned int names; /* hard links */
	unsigned int users; /* descriptors and mappings */
	size_t size;
	uint8_t *bytes; /* CONTENT_MAX; behind `size` all zero. NULL: the slot is free */
};

struct opened {
	int fd; /* -1: none */
	bool append;
	struct content *content;
};

struct mapped {
	uint8_t *at; /* NULL: none */
	struct content *content;
};

struct model {
	const char *dir; /* where it works just now */
	uint64_t rnd;
	uint64_t op;
	struct content contents[OBJECTS];
	struct content *names[NAMES];
	struct opened opens[OPENS];
	struct mapped maps[MAPS];
	char log[LOG_LINES][160];
	char path[2][512]; /* of the names an operation works on */
};

uint64_t rnd_next(struct model *m);
/* 0 up to below `below`. */
size_t rnd_below(struct model *m, size_t below);

__attribute__((format(printf, 2, 3))) void note(struct model *m, const char *format, ...);
__attribute__((format(printf, 2, 3), noreturn)) void wrong(struct model *m, const char *format,
							   ...);

/* The path of a name, in buffer 0 or 1. */
const char *path_of(struct model *m, int name, int buffer);
struct content *content_new(struct model *m);
/* After a name, descriptor or mapping is gone. */
void content_free_unused(struct content *c);
void content_resize(struct content *c, size_t size);

void close_one(struct model *m, struct opened *o);
void unmap_one(struct model *m, struct mapped *map);
void close_all(struct model *m);

/* The whole tree below `dir` is what the model says. */
void verify_all(struct model *m, const char *dir);
/* The bytes read are those of the content. */
void verify_bytes(struct model *m, const struct content *c, const uint8_t *bytes, size_t size,
		  size_t offset);

/* One operation (operations.c). */
void operate(struct model *m);

#endif
