/* links: net/member.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Member records: bytes and back, signatures, damage, and which of two counts on every node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "net/member.h"

static struct member full_member(void)
{
	struct member m = {.number = 1023, .state = MEMBER_ACTIVE, .version = 1ull << 40};

	m.added_s = 1767323045;
	memset(m.key, 0x5a, sizeof(m.key));
	memset(m.name, 'n', FLEET_NAME_MAX);
	for (size_t i = 0; i < FLEET_ADDRESSES_MAX; i++)
		memset(m.addresses[i], 'a', 63);
	m.pool_count = FLEET_POOLS_MAX;
	for (size_t i = 0; i < FLEET_POOLS_MAX; i++) {
		m.pools[i].id = UINT64_MAX - i;
		memset(m.pools[i].name, 'p', FLEET_NAME_MAX);
	}
	return m;
}

static void test_round_trip(void **state)
{
	struct member small = {.number = 1, .state = MEMBER_REMOVED, .version = 1, .name = "x"};
	struct member full = full_member();
	struct member *members[] = {&small, &full};
	uint8_t record[MEMBER_RECORD_MAX];
	struct keypair key, other;
	struct member back;

	(void)state;
	keypair_make(&key);
	keypair_make(&other);
	for (size_t i = 0; i < 2; i++) {
		int size = member_seal(members[i], &key, record);

		assert_true(size > 0);
		assert_int_equal(member_verify(record, (size_t)size, key.public), 0);
		assert_int_equal(member_verify(record, (size_t)size, other.public), MA_ESIG);
		assert_int_equal(member_decode(record, (size_t)size, &back), 0);
		assert_memory_equal(&back, members[i], sizeof(back));
	}
}

static void test_damage(void **state)
{
	struct member m = {.number = 7, .state = MEMBER_ACTIVE, .version = 3, .name = "seven"};
	uint8_t record[MEMBER_RECORD_MAX];
	struct keypair key;
	struct member back;

	(void)state;
	(void)strcpy(m.addresses[0], "10.0.0.7:7447");
	m.pool_count = 1;
	m.pools[0] = (struct member_pool){.id = 9, .name = "web"};
	keypair_make(&key);
	size_t size = (size_t)member_seal(&m, &key, record);
	for (size_t i = 0; i < size * 8; i++) {
		record[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(member_verify(record, size, key.public), MA_ESIG);
		/* Decoding bytes that nobody has signed may fail or not, but does no harm. */
		(void)!member_decode(record, size, &back);
		record[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t shorter = 0; shorter < size; shorter++) {
		assert_true(member_verify(record, shorter, key.public) < 0);
		if (shorter < size - SIGNATURE_SIZE)
			assert_int_equal(member_decode(record, shorter, &back), MA_ECORRUPT);
	}
}

/* A newer version's field behind ours is kept in the bytes, and does not disturb. */
static void test_field_at_the_end(void **state)
{
	struct member m = {.number = 7, .state = MEMBER_ACTIVE, .version = 3, .name = "seven"};
	uint8_t record[MEMBER_RECORD_MAX];
	struct keypair key;
	struct member back;

	(void)state;
	keypair_make(&key);
	size_t size = (size_t)member_seal(&m, &key, record);
	memmove(record + size - SIGNATURE_SIZE + 5, record + size - SIGNATURE_SIZE, SIGNATURE_SIZE);
	memcpy(record + size - SIGNATURE_SIZE, "later", 5);
	assert_int_equal(member_decode(record, size + 5, &back), 0);
	assert_memory_equal(&back, &m, sizeof(m));
}

static void test_refused_values(void **state)
{
	struct keypair key;
	uint8_t record[MEMBER_RECORD_MAX];
	struct member back;

	(void)state;
	keypair_make(&key);
	for (int i = 0; i < 8; i++) {
		struct member m = full_member();

		m.number = i == 0 ? 0 : i == 1 ? FLEET_MEMBERS_MAX + 1 : m.number;
		m.state = i == 2 ? 0 : i == 3 ? MEMBER_REMOVED + 1 : m.state;
		if (i == 4)
			m.name[0] = '\0';
		if (i == 5)
			m.name[3] = '\033';
		if (i == 6)
			m.addresses[2][1] = ' ';
		if (i == 7)
			m.pools[3].name[0] = '.';
		int size = member_seal(&m, &key, record);
		assert_true(size > 0);
		assert_int_equal(member_decode(record, (size_t)size, &back), MA_ECORRUPT);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
		{"web", true},
		{"db-1.example", true},
		{"ä", true},
		{"", false},
		{".x", false},
		{"-x", false},
		{"a b", false},
		{"a/b", false},
		{"a\nb", false},
		{"a\177", false},
		{"123456789012345678901234567890123456789012345678901234567890123", true},
		{"1234567890123456789012345678901234567890123456789012345678901234", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(member_name_valid(rows[i].name), rows[i].valid);
	assert_true(member_address_valid("[::1]:7447"));
	assert_false(member_address_valid(""));
	assert_false(member_address_valid("a b"));
	assert_false(member_address_valid("\xff"));
}

static const struct {
	const char *what;
	struct member held, offered;
	const char *held_bytes, *offered_bytes;
	enum member_choice choice;
} choices[] = {
	{"newer", {.state = 1, .version = 2}, {.state = 1, .version = 3}, "a", "a", MEMBER_TAKE},
	{"older", {.state = 1, .version = 3}, {.state = 1, .version = 2}, "a", "a", MEMBER_KEEP},
	{"removed, though older",
	 {.state = 1, .version = 9},
	 {.state = 3, .version = 2},
	 "a",
	 "a",
	 MEMBER_TAKE},
	{"active again, though newer",
	 {.state = 3, .version = 2},
	 {.state = 1, .version = 9},
	 "a",
	 "a",
	 MEMBER_KEEP},
	{"removed after it left",
	 {.state = 2, .version = 9},
	 {.state = 3, .version = 9},
	 "a",
	 "a",
	 MEMBER_TAKE},
	{"same version, larger",
	 {.state = 1, .version = 1},
	 {.state = 1, .version = 1},
	 "b",
	 "aa",
	 MEMBER_TAKE},
	{"same version, higher",
	 {.state = 1, .version = 1},
	 {.state = 1, .version = 1},
	 "a",
	 "b",
	 MEMBER_TAKE},
	{"same version, lower",
	 {.state = 1, .version = 1},
	 {.state = 1, .version = 1},
	 "b",
	 "a",
	 MEMBER_KEEP},
	{"the same", {.state = 1, .version = 1}, {.state = 1, .version = 1}, "a", "a", MEMBER_KEEP},
	{"another key, added later",
	 {.state = 1, .added_s = 1, .key = {1}},
	 {.state = 1, .added_s = 2, .key = {2}},
	 "a",
	 "b",
	 MEMBER_CLASH_KEEP},
	{"another key, added before",
	 {.state = 1, .added_s = 2, .key = {1}},
	 {.state = 3, .added_s = 1, .key = {2}},
	 "a",
	 "b",
	 MEMBER_CLASH_TAKE},
	{"another key, the same second",
	 {.state = 1, .added_s = 2, .key = {1}},
	 {.state = 1, .added_s = 2, .key = {2}},
	 "a",
	 "b",
	 MEMBER_CLASH_KEEP},
};

static void test_choice(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		struct member_sealed a = {&choices[i].held, (const uint8_t *)choices[i].held_bytes,
					  strlen(choices[i].held_bytes)};
		struct member_sealed b = {&choices[i].offered,
					  (const uint8_t *)choices[i].offered_bytes,
					  strlen(choices[i].offered_bytes)};
		enum member_choice there = member_choose(&b, &a);
		enum member_choice here = member_choose(&a, &b);

		if (here != choices[i].choice)
			print_message("%s: %d\n", choices[i].what, here);
		assert_int_equal(here, choices[i].choice);
		/* The other node, which holds the other one, ends with the same. */
		if (a.size == b.size &&
		    memcmp(&choices[i].held, &choices[i].offered, sizeof(struct member)) == 0 &&
		    memcmp(a.record, b.record, a.size) == 0)
			continue;
		bool here_offered = here == MEMBER_TAKE || here == MEMBER_CLASH_TAKE;
		bool there_held = there == MEMBER_KEEP || there == MEMBER_CLASH_KEEP;
		assert_int_equal(here_offered, there_held);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_field_at_the_end),
		cmocka_unit_test(test_refused_values),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_choice),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
