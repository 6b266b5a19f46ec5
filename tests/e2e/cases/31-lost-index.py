#!/usr/bin/env python3
"""The index of a node is lost, damaged, or older than its files after a power cut: it is made again from
its copy and the journal, and nothing is missing, here or on the others. Where neither leads back, the
pool does not open, says what to do, and touches no file."""
import glob
import os

import e2e

MEGA = 1 << 20


def change(case, tag):
    """All kinds of changes on node 1, and some that it gets from node 2."""
    a, b = case.dirs[:2]
    root = "%s/%s" % (a, tag)
    e2e.make_files(root + "/many", 120, 3000)
    for i in range(0, 120, 3):
        os.rename("%s/many/f%05d" % (root, i), "%s/r%05d" % (root, i))
    for i in range(1, 120, 3):
        os.unlink("%s/many/f%05d" % (root, i))
    for i in range(10):  # as editors save: the name stays, the file is another
        e2e.put(root + "/saved.new", e2e.noise("%s%d" % (tag, i), 5000))
        os.rename(root + "/saved.new", root + "/saved")
    os.link(root + "/saved", root + "/linked")
    os.symlink("saved", root + "/symbolic")
    os.setxattr(root + "/saved", "user.tag", tag.encode())
    os.chmod(root + "/saved", 0o640)
    e2e.put(b + "/of-b-" + tag, e2e.noise("b" + tag, 20000))
    case.in_sync()


def files(case):
    return os.path.join(case.root(1), "var/lib/multiall/pools/web")


def lose(case, names):
    case.lab("kill", 1)
    for name in names:
        for path in glob.glob(os.path.join(files(case), name + "*")):
            os.unlink(path)


def has_copy(case):
    return os.path.exists(os.path.join(files(case), "checkpoint.db"))


def test(case):
    a, b, c = case.dirs
    change(case, "young")
    e2e.check(not has_copy(case), "a copy of the index is there before the journal is worth it")
    lose(case, ["index.db"])
    case.lab("start", 1)
    case.equal()

    for i in range(8):
        e2e.put_pieces("%s/bulk%d" % (a, i), e2e.noise(i, MEGA))
    e2e.until(lambda: has_copy(case), "a copy of the index is made")
    change(case, "lost")
    lose(case, ["index.db"])
    case.lab("start", 1)
    case.equal()

    change(case, "damaged")
    case.lab("kill", 1)
    for path in glob.glob(os.path.join(files(case), "index.db-*")):
        os.unlink(path)
    with open(os.path.join(files(case), "index.db"), "r+b") as f:
        f.write(os.urandom(8192))
    case.lab("start", 1)
    case.twin("a file went with the index", lambda: os.unlink(os.path.join(case.pool(1)["backing"], "damaged", "saved")))
    case.equal()
    e2e.check("is damaged" in case.log_of(1), "the log does not say that the index was damaged")

    change(case, "power")
    case.lab("kill", 1)
    e2e.put(os.path.join(files(case), "running"), b"another boot")
    case.lab("start", 1)
    case.equal()

    lose(case, ["index.db", "checkpoint.db"])
    e2e.put(os.path.join(files(case), "filled"), b"")  # as if the journal did not begin with the pool
    before = sorted(os.listdir(files(case) + "/tree"))
    case.lab("start", 1, ok=False)
    pool = case.pool(1)
    e2e.check(not pool["open"] and "the index is lost" in pool["problem"] and "pool leave web" in pool["problem"],
              "no index at all: %s", pool["problem"])
    e2e.check(sorted(os.listdir(files(case) + "/tree")) == before, "files changed in a pool that did not open")
    case.lab("stop", 1)
    case.equal([b, c])


e2e.run(test, args=["--set", "journal_max=%d" % (16 * MEGA)])
