#!/usr/bin/env python3
"""Renaming a directory of 2,000 files of 100 KiB costs at most 16 KiB on all wires together."""
import os

import e2e

BAR_BYTES = 16 << 10


def quiet(case):
    """Bytes sent by all nodes, once nothing that changes them is under way."""
    case.in_sync()
    return case.sent_by_all()


def test(case):
    a, b, c = case.dirs
    e2e.make_files(a + "/old", 2000, 100 << 10)
    case.in_sync(120)
    inodes = {n: os.stat(c + "/old/" + n).st_ino for n in os.listdir(c + "/old")}
    before = quiet(case)
    os.rename(a + "/old", a + "/new")
    case.twin("half a file is sent as well", lambda: e2e.put(a + "/new/more", e2e.noise("x", 50 << 10)))
    e2e.until(lambda: os.path.isdir(c + "/new") and os.path.isdir(b + "/new"), "the rename arrives")
    cost = quiet(case) - before
    e2e.check(cost <= BAR_BYTES, "%d bytes on the wire, at most %d", cost, BAR_BYTES)
    e2e.check({n: os.stat(c + "/new/" + n).st_ino for n in os.listdir(c + "/new")} == inodes, "other inodes on node 3")
    for d in case.dirs:
        e2e.check(len(os.listdir(d + "/new")) == 2000 and not os.path.exists(d + "/old"), "the directory on %s", d)


e2e.run(test)
