/* links: net/fleet.c net/fleet_state.c net/fleet_sync.c net/member.c net/token.c net/message.c
 *        core/crypto.c core/err.c core/io.c core/log.c core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * The fleet on disk: what survives, what is refused, merging, numbers, a disk that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "net/fleet_sync.h"
#include "net/member.h"
#include "net/token.h"

struct place {
	char dir[128];
	struct fleet *fleet;
};

static void place_open(struct place *p)
{
	char error[256];

	assert_int_equal(fleet_open(p->dir, &p->fleet, error, sizeof(error)), 0);
}

static void place_make(struct place *p)
{
	const char *temp = getenv("TMPDIR");

	(void)snprintf(p->dir, sizeof(p->dir), "%s/fleet-test-XXXXXX", temp ? temp : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	place_open(p);
}

static void place_reopen(struct place *p)
{
	fleet_free(p->fleet);
	place_open(p);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void place_end(struct place *p)
{
	fleet_free(p->fleet);
	(void)nftw(p->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void init(struct place *p, const char *name)
{
	char error[256];

	assert_int_equal(fleet_init(p->fleet, name, "10.0.0.1:7447", error, sizeof(error)), 0);
}

/* A join without a network. */
static int join(struct place *joining, struct place *member, const char *name)
{
	AUTO_FREE uint8_t *records = NULL;
	struct join_request request = {0};
	struct join_answer answer;
	char text[TOKEN_TEXT_SIZE];
	struct token token;
	char error[256];

	assert_int_equal(fleet_token_make(member->fleet, 60, text, sizeof(text)), 0);
	assert_int_equal(token_parse(text, &token), 0);
	memcpy(request.token_id, token.id, sizeof(token.id));
	memcpy(request.token_secret, token.secret, sizeof(token.secret));
	(void)snprintf(request.name, sizeof(request.name), "%s", name);
	int r = fleet_admit(member->fleet, fleet_key(joining->fleet)->public, &request,
			    "10.0.0.2:7447", &answer, &records);
	if (r < 0)
		return r;
	return fleet_adopt(joining->fleet, token.fleet_key, &answer, error, sizeof(error));
}

static size_t sync_to(struct place *from, struct place *to)
{
	AUTO_FREE uint8_t *records = NULL;
	size_t size, changed;
	uint64_t change;

	assert_int_equal(fleet_records(from->fleet, 0, &records, &size, &change), 0);
	assert_int_equal(fleet_merge(to->fleet, records, size, &changed), 0);
	return changed;
}

static void test_survives(void **state)
{
	struct place a = {0}, b = {0};
	struct member self, other;
	uint64_t id;
	struct stat st;
	char path[256];

	(void)state;
	place_make(&a);
	place_make(&b);
	assert_false(fleet_exists(a.fleet));
	fleet_self(a.fleet, &self);
	assert_int_equal(self.number, 0);
	assert_int_equal(fleet_pool_add(a.fleet, 1, "web"), MA_EUNKNOWN);
	init(&a, "one");
	char error[256];
	assert_int_equal(fleet_init(a.fleet, "x", "y:1", error, sizeof(error)), -EEXIST);
	assert_int_equal(join(&b, &a, "two"), 0);
	assert_int_equal(fleet_pool_add(b.fleet, 0xfeedface, "web"), 0);
	struct keypair key = *fleet_key(b.fleet);
	place_reopen(&a);
	place_reopen(&b);
	assert_memory_equal(fleet_key(b.fleet), &key, sizeof(key));
	fleet_self(b.fleet, &self);
	assert_int_equal(self.number, 2);
	assert_string_equal(self.name, "two");
	assert_int_equal(self.pool_count, 1);
	assert_int_equal(sync_to(&b, &a), 1);
	assert_int_equal(sync_to(&b, &a), 0);
	assert_int_equal(fleet_pool_find(a.fleet, "web", &id), 0);
	assert_int_equal(id, 0xfeedface);
	assert_int_equal(fleet_member_by_name(a.fleet, "two", &other), 0);
	assert_int_equal(other.number, 2);
	assert_int_equal(fleet_member(a.fleet, 9, &other), MA_EUNKNOWN);
	assert_int_equal(fleet_member_by_name(a.fleet, "nobody", &other), MA_EUNKNOWN);
	struct member all[1];
	assert_int_equal(fleet_members(a.fleet, all, 1), 2);
	/* The key is nobody else's to read. */
	(void)snprintf(path, sizeof(path), "%s/identity", a.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	place_end(&a);
	place_end(&b);
}

static void test_damaged_files(void **state)
{
	static const char *const names[] = {"identity", "fleet", "members", "tokens"};
	struct place a = {0};
	char text[TOKEN_TEXT_SIZE];
	char error[512];

	(void)state;
	place_make(&a);
	init(&a, "one");
	assert_int_equal(fleet_token_make(a.fleet, 60, text, sizeof(text)), 0);
	fleet_free(a.fleet);
	for (size_t i = 0; i < 4; i++) {
		AUTO_FREE uint8_t *good = NULL;
		char path[256];
		size_t size;

		(void)snprintf(path, sizeof(path), "%s/%s", a.dir, names[i]);
		assert_int_equal(file_read(path, 1 << 20, &good, &size), 0);
		AUTO_FREE uint8_t *bad = malloc(size);
		assert_non_null(bad);
		for (size_t k = 0; k < size; k += 3) {
			memcpy(bad, good, size);
			bad[k] ^= 0x10;
			assert_int_equal(file_replace(path, bad, size, 0600), 0);
			assert_true(fleet_open(a.dir, &a.fleet, error, sizeof(error)) < 0);
			assert_non_null(strstr(error, names[i]));
		}
		for (size_t shorter = 0; shorter < size; shorter += 7) {
			assert_int_equal(file_replace(path, good, shorter, 0600), 0);
			assert_true(fleet_open(a.dir, &a.fleet, error, sizeof(error)) < 0);
		}
		assert_int_equal(file_replace(path, good, size, 0600), 0);
	}
	place_open(&a);
	assert_true(fleet_exists(a.fleet));
	place_end(&a);
}

static void test_removed(void **state)
{
	struct place a = {0}, b = {0}, c = {0};
	struct member member;
	uint16_t number = 0;

	(void)state;
	place_make(&a);
	place_make(&b);
	place_make(&c);
	init(&a, "one");
	assert_int_equal(join(&b, &a, "two"), 0);
	assert_int_equal(join(&c, &a, "three"), 0);
	(void)sync_to(&a, &b);
	assert_int_equal(fleet_remove(a.fleet, 7, MEMBER_REMOVED), MA_EUNKNOWN);
	assert_int_equal(fleet_remove(a.fleet, 3, MEMBER_ACTIVE), -EINVAL);
	assert_int_equal(fleet_remove(a.fleet, 3, MEMBER_LEFT), 0);
	assert_int_equal(fleet_remove(a.fleet, 3, MEMBER_REMOVED), 0);
	assert_int_equal(fleet_remove(a.fleet, 3, MEMBER_LEFT), 0); /* stays removed */
	/* Meanwhile it signs newer records of its own: they count for nothing. */
	for (uint64_t i = 1; i < 9; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "p%u", (unsigned int)i);
		assert_int_equal(fleet_pool_add(c.fleet, i, name), 0);
	}
	assert_int_equal(sync_to(&c, &b), 1); /* who has not heard yet */
	assert_int_equal(sync_to(&c, &a), 0);
	assert_int_equal(sync_to(&a, &b), 1);
	place_reopen(&b);
	assert_int_equal(fleet_member(b.fleet, 3, &member), 0);
	assert_int_equal(member.state, MEMBER_REMOVED);
	const uint8_t *key = fleet_key(c.fleet)->public;
	assert_int_equal(fleet_standing(b.fleet, key, &number), FLEET_GONE);
	assert_int_equal(fleet_standing(b.fleet, fleet_key(a.fleet)->public, &number),
			 FLEET_ACTIVE);
	assert_int_equal(number, 1);
	struct keypair stranger;
	keypair_make(&stranger);
	assert_int_equal(fleet_standing(b.fleet, stranger.public, &number), FLEET_STRANGER);
	/* Its pools are no longer found, its number is not given out again, its key does not join.
	 */
	uint64_t id;
	assert_int_equal(fleet_pool_find(a.fleet, "p1", &id), MA_EUNKNOWN);
	struct place d = {0};
	place_make(&d);
	assert_int_equal(join(&d, &a, "three"), 0);
	fleet_self(d.fleet, &member);
	assert_int_equal(member.number, 4);
	assert_string_equal(member.name, "three"); /* the name is free again */
	assert_int_equal(join(&c, &a, "three"), MA_EREFUSED);
	/* What it hears of itself in the end, it believes. */
	assert_true(sync_to(&a, &c) > 0);
	assert_int_equal(fleet_pool_add(c.fleet, 99, "more"), MA_EREFUSED);
	place_end(&a);
	place_end(&b);
	place_end(&c);
	place_end(&d);
}

static void test_bad_records(void **state)
{
	struct place a = {0}, b = {0}, foreign = {0};
	AUTO_FREE uint8_t *records = NULL;
	size_t size, changed;
	uint64_t change;

	(void)state;
	place_make(&a);
	place_make(&b);
	place_make(&foreign);
	init(&a, "one");
	assert_int_equal(join(&b, &a, "two"), 0);
	init(&foreign, "foreign");
	assert_int_equal(fleet_pool_add(b.fleet, 1, "web"), 0);
	assert_int_equal(fleet_records(foreign.fleet, 0, &records, &size, &change), 0);
	assert_int_equal(fleet_merge(a.fleet, records, size, &changed), MA_ESIG);
	assert_int_equal(changed, 0);
	AUTO_FREE uint8_t *news = NULL;
	assert_int_equal(fleet_records(b.fleet, 0, &news, &size, &change), 0);
	/* Cut off within the second record: the first counts, the rest is refused. */
	assert_int_equal(fleet_merge(a.fleet, news, size - 1, &changed), MA_ECORRUPT);
	assert_int_equal(changed, 0);
	assert_int_equal(fleet_merge(a.fleet, "\xff\xff", 2, &changed), MA_ECORRUPT);
	assert_int_equal(fleet_merge(a.fleet, "\0\0", 2, &changed), MA_ECORRUPT);
	assert_int_equal(fleet_merge(a.fleet, news, size, &changed), 0);
	assert_int_equal(changed, 1);
	place_end(&a);
	place_end(&b);
	place_end(&foreign);
}

static void test_numbers(void **state)
{
	struct place a = {0}, b = {0}, nodes[6] = {0};
	struct member member;

	(void)state;
	place_make(&a);
	place_make(&b);
	init(&a, "node");
	assert_int_equal(join(&b, &a, "node"), 0);
	fleet_self(b.fleet, &member);
	assert_string_equal(member.name, "node-2");
	/* Two that are cut off from each other let nodes in: no number is given twice. */
	for (size_t i = 0; i < 6; i++) {
		place_make(&nodes[i]);
		assert_int_equal(join(&nodes[i], i % 2 ? &b : &a, "node"), 0);
		fleet_self(nodes[i].fleet, &member);
		if (i % 2)
			assert_in_range(member.number, 512, FLEET_MEMBERS_MAX);
		else
			assert_int_equal(member.number, 3 + i / 2);
	}
	assert_int_equal(sync_to(&b, &a), 3);
	assert_int_equal(fleet_members(a.fleet, NULL, 0), 8);
	for (size_t i = 0; i < 6; i++)
		place_end(&nodes[i]);
	place_end(&a);
	place_end(&b);
}

/* Under one number two nodes, by whatever accident: both members settle on the same one, and the
 * node itself does not become the other. */
static void test_clash(void **state)
{
	struct place a = {0}, b = {0}, c = {0}, d = {0};
	struct member at_a, at_b, self;
	char command[512];

	(void)state;
	place_make(&a);
	place_make(&b);
	init(&a, "one");
	/* The same member twice, as a restored backup would have it. */
	fleet_free(b.fleet);
	(void)snprintf(command, sizeof(command), "rm -r %s && cp -a %s %s", b.dir, a.dir, b.dir);
	assert_int_equal(system(command), 0);
	place_open(&b);
	place_make(&c);
	place_make(&d);
	assert_int_equal(join(&c, &a, "c"), 0);
	assert_int_equal(join(&d, &b, "d"), 0);
	(void)sync_to(&a, &b);
	(void)sync_to(&b, &a);
	assert_int_equal(fleet_member(a.fleet, 2, &at_a), 0);
	assert_int_equal(fleet_member(b.fleet, 2, &at_b), 0);
	assert_memory_equal(&at_a, &at_b, sizeof(at_a));
	(void)sync_to(&a, &c);
	(void)sync_to(&a, &d);
	fleet_self(c.fleet, &self);
	assert_string_equal(self.name, "c");
	fleet_self(d.fleet, &self);
	assert_string_equal(self.name, "d");
	place_end(&a);
	place_end(&b);
	place_end(&c);
	place_end(&d);
}

static void test_pools(void **state)
{
	struct place a = {0};
	struct member self;
	char name[16];

	(void)state;
	place_make(&a);
	init(&a, "one");
	assert_int_equal(fleet_pool_add(a.fleet, 1, "web"), 0);
	fleet_self(a.fleet, &self);
	uint64_t version = self.version;
	assert_int_equal(fleet_pool_add(a.fleet, 1, "web"), 0);
	fleet_self(a.fleet, &self);
	assert_int_equal(self.version, version); /* nothing new, nothing signed */
	assert_int_equal(fleet_pool_add(a.fleet, 2, "web"), -EEXIST);
	assert_int_equal(fleet_pool_add(a.fleet, 1, "mail"), -EEXIST);
	assert_int_equal(fleet_pool_add(a.fleet, 3, "a/b"), -EINVAL);
	for (uint64_t i = 2; i <= FLEET_POOLS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "pool%u", (unsigned int)i);
		assert_int_equal(fleet_pool_add(a.fleet, i, name), 0);
	}
	assert_int_equal(fleet_pool_add(a.fleet, 1000, "more"), MA_ELIMIT);
	assert_int_equal(fleet_pool_remove(a.fleet, 1), 0);
	assert_int_equal(fleet_pool_remove(a.fleet, 1), 0);
	assert_int_equal(fleet_pool_add(a.fleet, 1000, "more"), 0);
	assert_int_equal(fleet_address_set(a.fleet, "10.9.9.9:1"), 0);
	assert_int_equal(fleet_address_set(a.fleet, "not one"), -EINVAL);
	place_reopen(&a);
	fleet_self(a.fleet, &self);
	assert_int_equal(self.pool_count, FLEET_POOLS_MAX);
	assert_string_equal(self.addresses[0], "10.9.9.9:1");
	place_end(&a);
}

static void test_forget(void **state)
{
	struct place a = {0};
	char text[TOKEN_TEXT_SIZE];

	(void)state;
	place_make(&a);
	init(&a, "one");
	const struct keypair *lent = fleet_key(a.fleet);
	struct keypair before = *lent;
	uint64_t change = fleet_change(a.fleet);
	assert_int_equal(fleet_forget(a.fleet), 0);
	assert_memory_equal(lent, &before, sizeof(before)); /* who borrowed it still may sign */
	assert_true(fleet_change(a.fleet) > change);
	assert_false(fleet_exists(a.fleet));
	assert_memory_not_equal(fleet_key(a.fleet)->public, before.public, KEY_PUBLIC_SIZE);
	assert_int_equal(fleet_token_make(a.fleet, 60, text, sizeof(text)), MA_EUNKNOWN);
	place_reopen(&a);
	assert_false(fleet_exists(a.fleet));
	assert_memory_not_equal(fleet_key(a.fleet)->public, before.public, KEY_PUBLIC_SIZE);
	init(&a, "again");
	place_end(&a);
}

/* The directory is gone: as a full or failing disk. */
static void test_disk_fails(void **state)
{
	struct place a = {0}, b = {0}, c = {0};
	struct member self;
	char text[TOKEN_TEXT_SIZE];
	uint64_t id;

	(void)state;
	place_make(&a);
	place_make(&b);
	place_make(&c);
	init(&a, "one");
	assert_int_equal(join(&b, &a, "two"), 0);
	assert_int_equal(join(&c, &a, "three"), 0);
	(void)sync_to(&a, &b);
	(void)nftw(b.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	/* A change of our own is taken back; */
	assert_true(fleet_pool_add(b.fleet, 5, "web") < 0);
	assert_int_equal(fleet_pool_find(b.fleet, "web", &id), MA_EUNKNOWN);
	assert_true(fleet_token_make(b.fleet, 60, text, sizeof(text)) < 0);
	fleet_self(b.fleet, &self);
	assert_int_equal(self.pool_count, 0);
	/* but a removal that we hear of counts at once. */
	assert_int_equal(fleet_remove(a.fleet, 3, MEMBER_REMOVED), 0);
	assert_int_equal(sync_to(&a, &b), 1);
	uint16_t number;
	assert_int_equal(fleet_standing(b.fleet, fleet_key(c.fleet)->public, &number), FLEET_GONE);
	place_end(&a);
	place_end(&b);
	place_end(&c);
}

static void test_proof(void **state)
{
	static const uint8_t here[FLEET_BINDING_SIZE] = {1};
	static const uint8_t elsewhere[FLEET_BINDING_SIZE] = {2};
	struct place a = {0}, b = {0};
	struct join_proof proof, other;

	(void)state;
	place_make(&a);
	place_make(&b);
	assert_int_equal(fleet_prove(a.fleet, here, &proof), MA_EUNKNOWN);
	init(&a, "one");
	init(&b, "one");
	assert_int_equal(fleet_prove(a.fleet, here, &proof), 0);
	assert_int_equal(fleet_prove(b.fleet, here, &other), 0);
	assert_true(fleet_proof_valid(&proof, proof.fleet_key, here));
	/* Passed on from another connection; by another fleet; with another's name on it. */
	assert_false(fleet_proof_valid(&proof, proof.fleet_key, elsewhere));
	assert_false(fleet_proof_valid(&other, proof.fleet_key, here));
	memcpy(other.fleet_key, proof.fleet_key, KEY_PUBLIC_SIZE);
	assert_false(fleet_proof_valid(&other, proof.fleet_key, here));
	place_end(&a);
	place_end(&b);
}

static void test_node_id(void **state)
{
	static const uint8_t key[KEY_PUBLIC_SIZE];
	char text[33];

	(void)state;
	node_id_text(key, text);
	assert_int_equal(strlen(text), 32);
	assert_int_equal(strspn(text, "0123456789abcdef"), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_survives),   cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_removed),    cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_numbers),    cmocka_unit_test(test_clash),
		cmocka_unit_test(test_pools),      cmocka_unit_test(test_forget),
		cmocka_unit_test(test_disk_fails), cmocka_unit_test(test_proof),
		cmocka_unit_test(test_node_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
