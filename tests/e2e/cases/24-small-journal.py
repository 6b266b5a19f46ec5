#!/usr/bin/env python3
"""The journal reaches less far back than a node was away: it catches up by comparing the indexes."""
import os

import e2e

JOURNAL_MAX = 16 << 20


def test(case):
    a, b, c = case.dirs
    e2e.make_files(a + "/keep", 300, 2000)
    e2e.make_files(a + "/gone", 50, 2000)
    e2e.make_files(a + "/dir", 50, 2000)
    e2e.put(a + "/large", e2e.noise("large", 8 << 20))
    e2e.put(c + "/from-c", b"before")
    case.equal()
    case.lab("cut", 3)
    for k in (1, 2):
        e2e.until(lambda: case.peer(k, 3)["state"] == "offline", "node %d knows that 3 is away" % k)
    e2e.put(c + "/of-c", e2e.noise("c", 3000))
    e2e.put(c + "/from-c", b"after")
    with open(a + "/large", "r+b") as f:
        f.seek(4 << 20)
        f.write(b"changed")
    for i in range(0, 300, 3):
        e2e.put("%s/keep/f%05d" % (a, i), e2e.noise("n%d" % i, 2500))
    e2e.sh("rm", "-r", a + "/gone")
    os.unlink(a + "/keep/f00004")
    e2e.put(a + "/keep/new", b"new")
    os.rename(a + "/keep/new", a + "/keep/f00005")
    os.rename(a + "/dir", a + "/dir-moved")
    os.chmod(a + "/keep/f00001", 0o600)
    os.link(a + "/keep/f00002", a + "/linked")
    for i in range(5):  # more than the journal may hold, and most of it replaced again
        e2e.put_pieces(a + "/filler", e2e.noise("filler%d" % i, 8 << 20))
    e2e.put(a + "/filler", b"small in the end")
    e2e.until(lambda: case.pool(1)["journal_bytes"] <= 2 * JOURNAL_MAX, "the journal keeps to its limit")
    before = case.wire()[2]["rx"]
    case.twin("the cable stays out", lambda: case.equal())
    case.lab("heal", 3)
    case.equal()
    got = case.wire()[2]["rx"] - before
    print("%d bytes to node 3" % got)
    e2e.check(got < 2 << 20, "%d bytes to node 3: more than what changed", got)
    for d in case.dirs:
        e2e.check(e2e.get(d + "/from-c") == b"after" and e2e.get(d + "/of-c") == e2e.noise("c", 3000),
                  "what the cut node wrote is not on %s", d)
        e2e.check(e2e.get(d + "/large")[4 << 20:][:7] == b"changed", "the change within the large file on %s", d)


e2e.run(test, args=["--set", "journal_max=%d" % JOURNAL_MAX])
