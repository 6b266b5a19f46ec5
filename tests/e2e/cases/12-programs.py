#!/usr/bin/env python3
"""Real programs on the mount: tar, rsync -aHAX, git, SQLite, an editor that replaces, cp --reflink=auto."""
import os
import sqlite3

import e2e
import tree

SOURCE = "/usr/share/perl" if os.path.isdir("/usr/share/perl") else "/usr/share/doc"
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*", "-c", "gc.auto=0"]


def copies(a):
    """A tree of real files comes through tar, rsync and cp as it was."""
    plain = os.path.join(os.getcwd(), "plain")
    os.mkdir(plain)
    names = sorted(n for n in tree.names_of(SOURCE) if n != ".")[:700]
    e2e.sh("tar", "cf", plain + ".tar", "-C", SOURCE, "--no-recursion", "-T", "-", input="\n".join(names))
    e2e.sh("tar", "xf", plain + ".tar", "-C", plain)
    e2e.put(plain + "/one", b"x")
    os.link(plain + "/one", plain + "/two")
    os.setxattr(plain + "/one", "user.x", b"y")
    e2e.sh("setfacl", "-m", "u:1000:rw", plain + "/one")
    os.mkfifo(plain + "/fifo")
    os.utime(plain + "/fifo", (1e9, 1e9))  # rsync leaves times alone that differ by less than a second
    e2e.sh("truncate", "-s", "1G", plain + "/sparse")
    for i, rel in enumerate(tree.names_of(plain)):  # programs compare whole seconds first
        os.utime(os.path.join(plain, rel), ns=(0, 1500000000123456789 + i * 1001001001), follow_symlinks=False)
    e2e.sh("rsync", "-aHAXS", plain + "/", a + "/rsync")
    e2e.check(not e2e.sh("rsync", "-aHAXSni", plain + "/", a + "/rsync").stdout, "rsync finds something to do again")
    e2e.sh("cp", "-a", "--reflink=auto", plain, a + "/cp")
    e2e.sh("tar", "cf", plain + "2.tar", "--xattrs", "--acls", "-C", plain, "--exclude", "sparse", ".")
    os.mkdir(a + "/tar")
    e2e.sh("tar", "xf", plain + "2.tar", "--xattrs", "--acls", "-C", a + "/tar")
    e2e.sh("truncate", "-r", plain + "/sparse", a + "/tar/sparse")
    os.utime(a + "/tar/sparse", ns=(0, os.stat(plain + "/sparse").st_mtime_ns))
    for copy in ("rsync", "cp", "tar"):
        found = tree.differences(tree.snapshot(plain, ino=False), tree.snapshot(a + "/" + copy, ino=False))
        found = [x for x in found if not (copy == "tar" and x.startswith(".: mtime"))]
        e2e.check(not found, "%s: %s", copy, "; ".join(found[:5]))


def git(a, b, case):
    """A repository is made on one node, cloned and worked in on another, packed, checked on both."""
    work, clone = a + "/repo", b + "/clone"
    e2e.sh("cp", "-r", a + "/cp", work)
    e2e.sh("rm", "-f", work + "/fifo", work + "/sparse")
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        e2e.sh(*GIT, "-C", work, *step)
    case.in_sync()
    e2e.sh(*GIT, "clone", "-q", b + "/repo", clone)
    for i in range(5):
        e2e.put(clone + "/file%d" % i, e2e.noise(i, 3000))
        e2e.sh(*GIT, "-C", clone, "add", "-A")
        e2e.sh(*GIT, "-C", clone, "commit", "-qm", "change %d" % i)
    e2e.sh(*GIT, "-C", clone, "gc", "-q", "--prune=now")
    case.in_sync()
    for d in (a, b):
        e2e.sh(*GIT, "-C", d + "/clone", "fsck", "--strict", "--no-dangling")
        e2e.check(not e2e.sh(*GIT, "-C", d + "/clone", "status", "--short").stdout, "git status is not clean on %s", d)
    e2e.check(e2e.sh(*GIT, "-C", a + "/clone", "log", "--oneline").stdout.count("\n") == 6, "commits are missing")


def sqlite(a, b, case):
    for mode in ("delete", "wal"):
        db = sqlite3.connect("%s/%s.db" % (a, mode), isolation_level=None)
        db.execute("pragma journal_mode=" + mode)
        db.execute("create table t(id integer primary key, x blob)")
        for i in range(60):
            db.execute("insert into t(x) values(?)", (e2e.noise(i, 500),))
        if mode == "wal":
            db.execute("pragma wal_checkpoint(truncate)")
        rows = db.execute("select * from t").fetchall()
        db.close()
        case.in_sync()
        there = sqlite3.connect("%s/%s.db" % (b, mode))
        e2e.check(there.execute("pragma integrity_check").fetchall() == [("ok",)], "%s: damaged on the peer", mode)
        e2e.check(there.execute("select * from t").fetchall() == rows, "%s: other rows on the peer", mode)
        there.close()


def editor(a, b):
    """Write a new file, sync it, rename it over the old one: the other node sees one or the other."""
    e2e.put(a + "/text", b"0" * 5000)
    e2e.until(lambda: e2e.get(b + "/text") == b"0" * 5000, "the text arrives")
    seen = set()
    for i in range(1, 30):
        with open(a + "/.text.new", "wb") as f:
            f.write(b"%d" % (i % 10) * 5000)
            os.fsync(f.fileno())
        os.rename(a + "/.text.new", a + "/text")
        now = e2e.get(b + "/text")
        e2e.check(len(now) == 5000 and len(set(now)) == 1, "the other node saw a mixture")
        seen.add(now[:1])
    e2e.until(lambda: e2e.get(b + "/text") == b"9" * 5000, "the last text arrives")


def test(case):
    a, b = case.dirs
    copies(a)
    git(a, b, case)
    sqlite(a, b, case)
    editor(a, b)
    case.twin_cut()
    case.equal()


e2e.run(test, nodes=2)
