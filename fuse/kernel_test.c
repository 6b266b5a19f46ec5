/* links: fuse/kernel.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * What is changed in requests before libfuse sees them, and in the answer to INIT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>

#include "fuse/kernel.h"

struct message {
	struct fuse_in_header head;
	union {
		struct fuse_init_in init;
		struct fuse_write_in write;
		struct fuse_open_in open;
		struct fuse_create_in create;
		struct fuse_setxattr_in setxattr;
		char bytes[128];
	};
};

static struct message message_of(uint32_t opcode)
{
	return (struct message){.head = {.opcode = opcode, .unique = 42}};
}

static void test_kill_priv(void **state)
{
	struct kernel kernel = {0};
	struct message m = message_of(FUSE_WRITE);

	(void)state;
	m.write.flags = 02001;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_int_equal(m.write.flags, 02001);
	m.write.write_flags = FUSE_WRITE_KILL_SUIDGID;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_int_equal(m.write.flags, 02001 | KERNEL_KILL_PRIV);

	m = message_of(FUSE_OPEN);
	m.open.open_flags = FUSE_OPEN_KILL_SUIDGID;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_int_equal(m.open.flags, KERNEL_KILL_PRIV);

	m = message_of(FUSE_CREATE);
	m.create.open_flags = FUSE_OPEN_KILL_SUIDGID;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_int_equal(m.create.flags, KERNEL_KILL_PRIV);
}

/* O_TMPFILE comes as CREATE of a name that no file can have. */
static void test_nameless(void **state)
{
	struct kernel kernel = {0};
	struct message m = message_of(FUSE_TMPFILE);
	char *name = m.bytes + sizeof(m.create);

	(void)state;
	m.create.mode = 0640;
	memcpy(name, "#42", 4);
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_int_equal(m.head.opcode, FUSE_CREATE);
	assert_int_equal(m.create.mode, 0640);
	assert_string_equal(name, KERNEL_NAMELESS);
	m.head.opcode = FUSE_TMPFILE;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m.head) + sizeof(m.create) + 1),
			 -EPROTO);
}

static void test_setxattr(void **state)
{
	static const char tail[] = "user.name\0value";
	struct kernel kernel = {.long_setxattr = true};
	struct message m = message_of(FUSE_SETXATTR);

	(void)state;
	m.setxattr.size = 5;
	m.setxattr.flags = 1;
	m.setxattr.setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID;
	memcpy(m.bytes + sizeof(m.setxattr), tail, sizeof(tail));
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_int_equal(m.setxattr.size, 5);
	assert_int_equal(m.setxattr.flags, 1 | KERNEL_KILL_PRIV);
	assert_memory_equal(m.bytes + 8, tail, sizeof(tail));

	/* A kernel that sends the short form: nothing moves. */
	kernel.long_setxattr = false;
	m = message_of(FUSE_SETXATTR);
	memcpy(m.bytes + 8, tail, sizeof(tail));
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_memory_equal(m.bytes + 8, tail, sizeof(tail));
}

static void test_short(void **state)
{
	static const uint32_t opcodes[] = {FUSE_INIT, FUSE_WRITE, FUSE_OPEN, FUSE_CREATE,
					   FUSE_SETXATTR};
	struct kernel kernel = {.long_setxattr = true};
	struct message m = message_of(FUSE_LOOKUP);

	(void)state;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m.head) - 1), -EPROTO);
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m.head)), 0);
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		m = message_of(opcodes[i]);
		assert_int_equal(kernel_request(&kernel, &m, sizeof(m.head) + 4), -EPROTO);
	}
	/* Kernels before 5.17 end INIT here. */
	m = message_of(FUSE_INIT);
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m.head) + 16), 0);
}

static void test_init(void **state)
{
	struct kernel kernel = {0};
	struct message m = message_of(FUSE_INIT);
	struct fuse_out_header head = {.unique = 41};
	struct fuse_init_out out = {.flags = FUSE_ASYNC_READ};
	struct iovec parts[] = {{&head, sizeof(head)}, {&out, sizeof(out)}};

	(void)state;
	m.init.minor = 44;
	m.init.flags = FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_PARALLEL_DIROPS |
		       FUSE_WRITEBACK_CACHE;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	assert_true(kernel_has_epoch(&kernel));
	kernel_reply(&kernel, parts, 2); /* to something else */
	assert_int_equal(out.flags, FUSE_ASYNC_READ);
	head.unique = 42;
	kernel_reply(&kernel, parts, 2);
	assert_int_equal(out.flags, FUSE_ASYNC_READ | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT |
					    FUSE_PARALLEL_DIROPS);
	assert_true(kernel.long_setxattr);

	/* An older kernel is promised nothing that it did not offer. */
	kernel = (struct kernel){0};
	out.flags = 0;
	m.init.minor = 31;
	m.init.flags = 0;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	kernel_reply(&kernel, parts, 2);
	assert_int_equal(out.flags, 0);
	assert_false(kernel.long_setxattr);
	assert_false(kernel_has_epoch(&kernel));
}

static void test_pass(void **state)
{
	struct kernel kernel = {.want_pass = true};
	struct message m = message_of(FUSE_INIT);
	struct fuse_out_header head = {.unique = 42};
	struct fuse_init_out out = {.flags = 0};
	struct iovec parts[] = {{&head, sizeof(head)}, {&out, sizeof(out)}};

	(void)state;
	m.init.flags = FUSE_INIT_EXT;
	m.init.flags2 = 1u << 5;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	kernel_reply(&kernel, parts, 2);
	assert_true(kernel.pass);
	assert_int_equal(out.flags, FUSE_INIT_EXT);
	assert_int_equal(out.flags2, 1u << 5);
	assert_int_equal(out.unused[0], 1);

	/* The ring is another bit of the same word. */
	assert_false(kernel.ring);
	kernel = (struct kernel){.want_ring = true};
	out = (struct fuse_init_out){0};
	m.init.flags2 = 1u << 9;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	kernel_reply(&kernel, parts, 2);
	assert_true(kernel.ring);
	assert_false(kernel.pass);
	assert_int_equal(out.flags2, 1u << 9);

	/* Not offered, or not wanted: not asked for. */
	out = (struct fuse_init_out){0};
	kernel = (struct kernel){.want_pass = true};
	m.init.flags2 = 0;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	kernel_reply(&kernel, parts, 2);
	assert_false(kernel.pass);
	kernel = (struct kernel){0};
	m.init.flags2 = 1u << 5;
	assert_int_equal(kernel_request(&kernel, &m, sizeof(m)), 0);
	kernel_reply(&kernel, parts, 2);
	assert_false(kernel.pass);
	assert_int_equal(out.flags, 0);
	assert_int_equal(out.unused[0], 0);
}

static void test_reply_pass(void **state)
{
	struct fuse_out_header head = {0};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} created = {.open = {.fh = 3, .open_flags = FOPEN_DIRECT_IO}};
	struct fuse_open_out opened = {.fh = 4};
	struct iovec parts[] = {{&head, sizeof(head)}, {&opened, sizeof(opened)}};

	(void)state;
	kernel_reply_pass(parts, 2, 9);
	assert_int_equal(opened.fh, 4);
	assert_int_equal(opened.open_flags, 1 << 7);
	assert_int_equal(opened.padding, 9);
	parts[1] = (struct iovec){&created, sizeof(created)};
	kernel_reply_pass(parts, 2, 10);
	assert_int_equal(created.open.fh, 3);
	assert_int_equal(created.open.open_flags, FOPEN_DIRECT_IO | 1 << 7);
	assert_int_equal(created.open.padding, 10);
	/* A refusal has no body. */
	head.error = -ENOENT;
	kernel_reply_pass(parts, 1, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_priv),  cmocka_unit_test(test_nameless),
		cmocka_unit_test(test_setxattr),   cmocka_unit_test(test_short),
		cmocka_unit_test(test_init),       cmocka_unit_test(test_pass),
		cmocka_unit_test(test_reply_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
