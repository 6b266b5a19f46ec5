#!/usr/bin/env python3
"""The disk of one node is small and runs full: applications there get ENOSPC and can still remove; the
other nodes do not suffer; with room again the node catches up."""
import errno
import os
import subprocess

import e2e

SIZE_MB = 160


def small_disk(case):
    image = os.path.join(os.getcwd(), "disk")
    e2e.sh("truncate", "-s", "%dM" % SIZE_MB, image)
    e2e.sh("mkfs.ext4", "-q", "-m", "0", image)
    root = case.root(3)
    os.makedirs(root)
    r = subprocess.run(["mount", "-o", "loop", image, root], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        raise e2e.Skip("no loop device: " + r.stdout.strip())


def fill(root):
    """Writes until the disk is full; the paths that were written whole."""
    made = []
    for i in range(2 * SIZE_MB):
        path = "%s/fill%d" % (root, i)
        try:
            e2e.put(path, e2e.noise(i, 1 << 20))
            made.append(path)
        except OSError as e:
            e2e.check(e.errno == errno.ENOSPC, "a full disk gives %s", e)
            return made
    raise e2e.CheckFailed("%d MB went onto a disk of %d MB" % (2 * SIZE_MB, SIZE_MB))


def test(case):
    small_disk(case)
    case.up(3, "--set", "journal_max=16M")
    a, b, c = case.dirs
    e2e.check(os.path.ismount(case.root(3)), "up replaced the root directory of node 3")
    e2e.make_files(a + "/d", 50, 1000)
    case.equal()
    made = fill(c)
    e2e.check(len(made) > 20, "only %d MB fit", len(made))
    e2e.put(b + "/others-go-on", b"x")
    e2e.until(lambda: os.path.exists(a + "/others-go-on"), "nodes 1 and 2 go on")
    os.truncate(made[0], 0)
    for path in made[1:] + [p for p in (c + "/" + n for n in os.listdir(c)) if "fill" in p and p not in made]:
        os.unlink(path)
    e2e.put(c + "/room-again", b"y" * 100000)
    case.equal()

    # Now the others send more than fits.
    for i in range(SIZE_MB):
        e2e.put("%s/large%d" % (a, i), e2e.noise("l%d" % i, 1 << 20))
    e2e.until(lambda: case.peer(1, 2)["in_sync"], "node 2 has all while node 3 is full")
    e2e.check(not case.peer(1, 3)["in_sync"], "node 3 is said to hold more than its disk can")
    e2e.check(case.execute(3, "multiall", "status").stdout, "node 3 still answers")
    case.twin("room is not made", lambda: case.in_sync(3))
    for i in range(SIZE_MB):
        os.unlink("%s/large%d" % (a, i))
    case.equal()


e2e.run(test, nodes=0)
