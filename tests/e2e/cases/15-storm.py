#!/usr/bin/env python3
"""Caches of one node under a storm of changes by another: readers list, stat, read and look for names
that are not there, on all directories that the other node changes. Nobody hangs, and when the storm
is over the mount shows what the backing directory holds: no name, attribute or content is stale."""
import os
import random
import threading
import time

import e2e

SECONDS = 6
READERS = 24
NAMES = ["n%d" % i for i in range(12)]


def storm(root, seed, end):
    rnd = random.Random(seed)
    dirs = [os.path.join(root, d) for d in ("a", "b", "a/c", "b/d")]
    while time.monotonic() < end:
        one, other = (os.path.join(rnd.choice(dirs), rnd.choice(NAMES)) for _ in range(2))
        try:
            what = rnd.randrange(7)
            if what < 2:
                e2e.put(one, b"x" * rnd.randrange(20000))
            elif what == 2:
                e2e.put(one, b"y" * rnd.randrange(500), "ab")
            elif what == 3:
                os.rename(one, other)
            elif what == 4:
                os.unlink(one)
            elif what == 5:
                os.chmod(one, 0o600 | rnd.randrange(0o100))
            else:
                os.link(one, other)
        except OSError:
            pass  # not there, or there already


def read(root, seed, stop, done):
    rnd = random.Random(seed)
    dirs = [os.path.join(root, d) for d in ("a", "b", "a/c", "b/d")]
    while not stop.is_set():
        directory = rnd.choice(dirs)
        try:
            what = rnd.randrange(4)
            if what == 0:
                for name in os.listdir(directory):
                    os.lstat(os.path.join(directory, name))
            elif what == 1:
                e2e.get(os.path.join(directory, rnd.choice(NAMES)))
            elif what == 2:
                os.path.exists(os.path.join(directory, rnd.choice(NAMES)))
            else:
                with open(os.path.join(directory, rnd.choice(NAMES)), "rb") as f:
                    os.fstat(f.fileno())
                    f.seek(rnd.randrange(20000))
                    f.read(100)
        except OSError:
            pass
        done[seed] += 1


def shown(root):
    """{path: everything that a cache could have kept}"""
    out = {}
    for at, dirs, files in os.walk(root):
        dirs[:] = [d for d in dirs if d != ".multiall"]
        for name in dirs + files:
            path = os.path.join(at, name)
            st = os.lstat(path)
            content = e2e.get(path) if name in files else None
            out[os.path.relpath(path, root)] = (st.st_mode, st.st_mtime_ns, content, content is not None and st.st_nlink,
                                                content is not None and st.st_size)
    return out


def caches(case):
    a, b = case.dirs
    os.makedirs(a + "/a/c")
    os.makedirs(a + "/b/d")
    case.in_sync()
    stop, done = threading.Event(), [0] * READERS
    readers = [threading.Thread(target=read, args=(b, k, stop, done), daemon=True) for k in range(READERS)]
    end = time.monotonic() + SECONDS
    writers = [threading.Thread(target=storm, args=(a, k, end), daemon=True) for k in range(3)]
    for t in readers + writers:
        t.start()
    for t in writers:
        t.join(SECONDS + 60)
        e2e.check(not t.is_alive(), "a writer hangs")
    case.in_sync()
    before = list(done)
    e2e.until(lambda: all(x > y for x, y in zip(done, before)), "every reader goes on reading")
    stop.set()
    for t in readers:
        t.join(60)
        e2e.check(not t.is_alive(), "a reader hangs")
    backing = case.pool(2)["backing"]

    e2e.put(b + "/a/last", b"last")
    case.in_sync()

    def plant():
        shown(b)  # the kernel has it all now
        os.chmod(os.path.join(backing, "a", "last"), 0o751)

    case.twin("a mode changes in the backing directory behind the daemon's back", plant)

    def differ():
        ours, theirs = shown(b), shown(backing)
        return sorted(p for p in set(ours) | set(theirs) if ours.get(p) != theirs.get(p))

    # The last notices may still be under way to the kernel.
    e2e.until(lambda: not differ(), "the mount shows what is stored", limit_s=5)
    case.equal()


e2e.run(caches, nodes=2)
