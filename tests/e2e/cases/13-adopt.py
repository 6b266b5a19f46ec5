#!/usr/bin/env python3
"""`pool create --adopt` takes a directory into use where it is; a peer joins it and fills."""
import os

import e2e
import tree


def test(case):
    old = os.path.join(os.getcwd(), "www")
    e2e.sh("cp", "-a", "/etc", old)
    os.link(old + "/hostname" if os.path.exists(old + "/hostname") else old + "/passwd", old + "/linked")
    before = tree.snapshot(old, ino=False)
    inode = os.stat(old + "/passwd").st_ino
    case.multiall(1, "pool", "create", "www", "--adopt", old)
    mount = case.root(1, "pool/www")
    e2e.check(os.path.ismount(mount), "the adopted pool is not mounted")
    found = [x for x in tree.differences(before, tree.snapshot(mount, ino=False)) if not x.startswith(".: mtime")]
    e2e.check(not found, "adopting changed the tree: %s", found[:5])
    e2e.check(os.stat(old + "/passwd").st_ino == inode, "the files were copied")
    e2e.put(mount + "/new", b"written after the adoption")
    e2e.check(e2e.get(old + "/new") == b"written after the adoption", "the tree does not stay where it was")
    e2e.until(lambda: case.multiall(2, "pool", "join", "www", ok=False).returncode == 0, "node 2 learns of the pool")
    other = case.root(2, "pool/www")
    case.twin("node 2 is cut off and writes", lambda: (case.lab("cut", 2), e2e.put(other + "/planted", b"x")))
    case.in_sync()
    found = tree.compare([mount, other])
    e2e.check(not found, "the adopted pool differs on node 2: %s", found[:5])

    r = case.multiall(1, "pool", "create", "again", "--adopt", old, ok=False)
    e2e.check(r.returncode == 2, "one directory was adopted twice: %s", r.stdout)
    r = case.multiall(1, "pool", "create", "none", "--adopt", old + "/nothing", ok=False)
    e2e.check(r.returncode == 2 and "nothing" in r.stdout, "a missing directory was adopted: %s", r.stdout)


e2e.run(test, nodes=2)
