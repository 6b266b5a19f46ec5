#!/usr/bin/env python3
"""Access lists that were handed down, set and limited while a node was away are the same everywhere
afterwards: by log, by state, and when both sides changed them."""
import os
import struct

import e2e

JOURNAL_MAX = 16 << 20
DEFAULT, ACCESS = "system.posix_acl_default", "system.posix_acl_access"


def acl(user, named, group, mask, other):
    entries = [(1, user, 0xffffffff), (2, named, 1000), (4, group, 0xffffffff), (16, mask, 0xffffffff),
               (32, other, 0xffffffff)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def changes(a, tag):
    """Objects from before a default list, from under it, and from after it."""
    for name in ("gets", "loses", "changes", "both"):
        os.makedirs("%s/%s-%s/sub" % (a, tag, name))
        e2e.put("%s/%s-%s/before" % (a, tag, name), b"before")
    for name in ("loses", "changes", "both"):
        os.setxattr("%s/%s-%s" % (a, tag, name), DEFAULT, acl(7, 7, 5, 7, 0))
        e2e.put("%s/%s-%s/under" % (a, tag, name), b"under")
        os.mkdir("%s/%s-%s/dir" % (a, tag, name))
        e2e.put("%s/%s-%s/dir/deep" % (a, tag, name), b"deep")
        os.mkfifo("%s/%s-%s/fifo" % (a, tag, name))
    os.setxattr("%s/%s-gets" % (a, tag), DEFAULT, acl(6, 4, 4, 4, 4))
    os.removexattr("%s/%s-loses" % (a, tag), DEFAULT)
    os.setxattr("%s/%s-changes" % (a, tag), DEFAULT, acl(6, 6, 0, 6, 4))
    os.chmod("%s/%s-changes/under" % (a, tag), 0o4640)
    os.removexattr("%s/%s-both/under" % (a, tag), ACCESS)
    # Capabilities, which each change of the content takes away, here set after the last one.
    e2e.put("%s/%s-program" % (a, tag), e2e.noise(tag, 3 << 20))
    os.setxattr("%s/%s-program" % (a, tag), "security.capability", bytes([1, 0, 0, 2, 0, 0x20]) + bytes(14))
    e2e.put("%s/%s-small" % (a, tag), b"small")
    os.setxattr("%s/%s-small" % (a, tag), "security.capability", bytes([1, 0, 0, 2, 0, 0x20]) + bytes(14))


def test(case):
    a, b = case.dirs
    changes(a, "live")
    case.equal()
    for name in ("one", "two", "three", "four"):
        e2e.put("%s/%s" % (a, name), b"x" * 100)
    os.makedirs(a + "/dir")
    case.equal()
    case.lab("cut", 2)
    changes(a, "log")
    # Both sides: whatever wins, it is one thing.
    os.chmod(a + "/one", 0o600)
    os.setxattr(b + "/one", ACCESS, acl(7, 7, 5, 7, 0))
    os.setxattr(a + "/two", ACCESS, acl(7, 7, 5, 7, 0))
    os.chmod(b + "/two", 0o600)
    os.setxattr(b + "/three", "security.capability", bytes([1, 0, 0, 2, 0, 0x20]) + bytes(14))
    e2e.put(a + "/three", b"other")
    os.setxattr(a + "/four", "security.capability", bytes([1, 0, 0, 2, 0, 0x20]) + bytes(14))
    os.chown(b + "/four", 1, 1)
    os.setxattr(a + "/dir", DEFAULT, acl(7, 7, 5, 7, 0))
    e2e.put(b + "/dir/file", b"x")
    os.mkdir(b + "/dir/sub")
    case.twin("the cable stays out", lambda: case.equal())
    case.lab("heal", 2)
    case.equal()
    e2e.check(ACCESS not in os.listxattr(a + "/dir/file"), "a list came to a file that was made without")
    case.lab("cut", 2)
    changes(a, "state")
    for i in range(4):  # more than the journal may hold
        e2e.put(a + "/filler", e2e.noise("filler%d" % i, 8 << 20))
    e2e.put(a + "/filler", b"")
    e2e.until(lambda: case.pool(1)["journal_bytes"] <= 2 * JOURNAL_MAX, "the journal keeps to its limit")
    case.lab("heal", 2)
    case.equal()
    for d in (a, b):
        for tag in ("live", "log", "state"):
            e2e.check("security.capability" in os.listxattr("%s/%s-program" % (d, tag)),
                      "%s: %s-program lost its capability", d, tag)


e2e.run(test, nodes=2, args=["--set", "journal_max=%d" % JOURNAL_MAX])
