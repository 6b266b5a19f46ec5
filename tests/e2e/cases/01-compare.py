#!/usr/bin/env python3
"""The comparison that the other cases rely on sees each kind of difference."""
import os
import shutil
import socket
import tempfile

import e2e
import tree


def build(root):
    os.makedirs(root + "/d/empty")
    e2e.put(root + "/d/file", b"content")
    e2e.put(root + "/d/other", b"content")
    os.link(root + "/d/file", root + "/hard")
    os.symlink("d/file", root + "/soft")
    os.mkfifo(root + "/fifo")
    os.setxattr(root + "/d/other", "user.x", b"1")
    for rel in tree.names_of(root):
        os.utime(os.path.join(root, rel), ns=(0, 1234567890123456789), follow_symlinks=False)


def rewrite(path, fn, keep_time=True):
    st = os.lstat(path)
    fn(path)
    if keep_time and os.path.lexists(path):
        os.utime(path, ns=(0, st.st_mtime_ns), follow_symlinks=False)


def replaced(path, make):
    os.unlink(path)
    make(path)


FAULTS = {
    "content": ("d/file", lambda p: e2e.put(p, b"CONTENT")),
    "size": ("d/file", lambda p: os.truncate(p, 3)),
    "mode": ("d/file", lambda p: os.chmod(p, 0o600)),
    "setuid bit": ("d/file", lambda p: os.chmod(p, 0o4644)),
    "mode of a directory": ("d/empty", lambda p: os.chmod(p, 0o700)),
    "mode of the top": (".", lambda p: os.chmod(p, 0o701)),
    "owner": ("d/file", lambda p: os.chown(p, 1, -1)),
    "group": ("d/file", lambda p: os.chown(p, -1, 1)),
    "owner of a symlink": ("soft", lambda p: os.lchown(p, 1, 1)),
    "one nanosecond": ("d/file", lambda p: os.utime(p, ns=(0, 1234567890123456788))),
    "time of a directory": ("d", lambda p: os.utime(p, ns=(0, 1))),
    "attribute value": ("d/other", lambda p: os.setxattr(p, "user.x", b"2")),
    "attribute added": ("d/file", lambda p: os.setxattr(p, "user.y", b"")),
    "attribute removed": ("d/other", lambda p: os.removexattr(p, "user.x")),
    "symlink target": ("soft", lambda p: replaced(p, lambda q: os.symlink("d/other", q))),
    "symlink became a file": ("soft", lambda p: replaced(p, lambda q: e2e.put(q, b"content"))),
    "fifo became a socket": ("fifo", lambda p: replaced(p, lambda q: socket.socket(socket.AF_UNIX).bind(q))),
    "file missing": ("d/other", os.unlink),
    "directory missing": ("d/empty", os.rmdir),
    "file too many": ("d/more", lambda p: e2e.put(p, b"")),
    "hard link broken up": ("hard", lambda p: replaced(p, lambda q: shutil.copy2(os.path.dirname(q) + "/d/file", q))),
    "hard link to another": ("hard", lambda p: replaced(p, lambda q: os.link(os.path.dirname(q) + "/d/other", q))),
}


def test(case):
    for name, (rel, plant) in FAULTS.items():
        with tempfile.TemporaryDirectory() as work:
            a, b = work + "/a", work + "/b"
            build(a)
            build(b)
            e2e.check(not tree.compare([a, b], ino=False), "equal trees differ: %s", tree.compare([a, b], ino=False))
            path = os.path.normpath(os.path.join(b, rel))
            if os.path.lexists(path):
                rewrite(path, plant, keep_time="time" not in name and "nano" not in name)
            else:
                plant(path)
            for d in ("", "d"):
                if name != "time of a directory":
                    os.utime(os.path.join(b, d), ns=(0, 1234567890123456789))
            e2e.check(tree.compare([a, b], ino=False), "%s: not seen", name)
    with tempfile.TemporaryDirectory() as work:
        build(work)
        one, two = tree.snapshot(work), tree.snapshot(work)
        two["d/file"]["ino"] += 1
        e2e.check(tree.differences(one, two) == ["d/file: ino is %d, in the second %d" %
                                                 (one["d/file"]["ino"], two["d/file"]["ino"])], "ino: not seen")
        case.twin("a fault that no field shows", lambda: e2e.check(tree.differences(one, tree.snapshot(work)), "not seen"))


e2e.run(test, nodes=0)
