#!/usr/bin/env python3
"""Both sides change the same object during a cut: neither content is lost, all nodes agree."""
import os

import e2e
import tree


def contents(root):
    return sorted(e2e.get(os.path.join(root, rel)) for rel in tree.names_of(root)
                  if os.path.isfile(os.path.join(root, rel)) and not os.path.islink(os.path.join(root, rel)))


def sides(case):
    """Concurrent work on left (node 1) and right (node 3), as pairs of changes to the same thing."""
    a, c = case.dirs[0], case.dirs[2]
    for name in ("both", "append", "del-left", "del-right", "mode", "equal", "three"):
        e2e.put(a + "/" + name, b"base of " + name.encode() + b"\n")
    os.mkdir(a + "/dir")
    e2e.put(a + "/dir/in", b"base of dir/in\n")
    e2e.put(a + "/renamed", b"base of renamed\n")
    case.equal()
    case.lab("split", "1,2/3")

    e2e.put(a + "/both", b"left\n")
    e2e.put(c + "/both", b"right, and longer\n")
    e2e.put(a + "/append", b"left\n", "ab")
    e2e.put(c + "/append", b"right\n", "ab")
    os.unlink(a + "/del-left")
    e2e.put(c + "/del-left", b"right kept it\n")
    e2e.put(a + "/del-right", b"left kept it\n")
    os.unlink(c + "/del-right")
    e2e.put(a + "/created", b"left created\n")
    e2e.put(c + "/created", b"right created\n")
    e2e.put(a + "/equal", b"the same on both\n")
    e2e.put(c + "/equal", b"the same on both\n")
    os.mkdir(a + "/merged")
    os.mkdir(c + "/merged")
    e2e.put(a + "/merged/left", b"merged left\n")
    e2e.put(c + "/merged/right", b"merged right\n")
    os.chmod(a + "/mode", 0o600)
    e2e.put(c + "/mode", b"right wrote, left changed the mode\n")
    os.rename(a + "/renamed", a + "/renamed-left")
    os.rename(c + "/renamed", c + "/renamed-right")
    e2e.sh("rm", "-r", a + "/dir")
    e2e.put(c + "/dir/new", b"right made it in a directory that left removed\n")
    e2e.put(a + "/file-or-dir", b"left made a file\n")
    os.mkdir(c + "/file-or-dir")
    e2e.put(c + "/file-or-dir/in", b"right made a directory\n")


MUST_HAVE = [b"left\n", b"right, and longer\n", b"base of append\nleft\n", b"base of append\nright\n",
             b"right kept it\n", b"left kept it\n", b"left created\n", b"right created\n", b"the same on both\n",
             b"merged left\n", b"merged right\n", b"right wrote, left changed the mode\n", b"base of renamed\n",
             b"right made it in a directory that left removed\n", b"left made a file\n", b"right made a directory\n"]


def test(case):
    sides(case)
    case.twin("the cable stays out", lambda: case.equal())
    case.lab("split", "none")
    case.equal()
    have = contents(case.dirs[1])
    for text in MUST_HAVE:
        e2e.check(text in have, "lost: %s; there are %s", text, sorted(os.listdir(case.dirs[1])))
    e2e.check(have.count(b"the same on both\n") == 1, "equal contents made a conflict")
    d = case.dirs[1]
    e2e.check(os.path.isdir(d + "/merged") and sorted(os.listdir(d + "/merged")) == ["left", "right"],
              "two directories of one name are not one")
    e2e.check(os.stat(d + "/mode").st_mode & 0o777 == 0o600, "chmod against write lost the mode")
    conflicts = [case.pool(k)["conflicts"] for k in (1, 2, 3)]
    e2e.check(len(set(conflicts)) == 1 and conflicts[0] >= 3, "conflicts: %s", conflicts)
    # The outcome is stable: it is not a conflict again when nodes are restarted or meet anew.
    before = tree.snapshot(d)
    case.lab("cut", 3)
    case.lab("stop", 2)
    case.lab("heal", 3)
    case.lab("start", 2)
    case.equal()
    e2e.check(tree.snapshot(d) == before, "the outcome changed without anyone's work")


e2e.run(test)
