#!/usr/bin/env python3
"""multiall conflicts: what is listed, and that resolving keeps what it says, on all nodes."""
import json
import os

import e2e


def fork(case, names, more=None):
    """Each file is written on node 1 and then, without knowing of it, on node 3."""
    a, c = case.dirs[0], case.dirs[2]
    case.lab("cut", 3)
    for name in names:
        e2e.put(a + "/" + name, b"left " + name.encode() + b"\n")
        e2e.put(c + "/" + name, b"right, later " + name.encode() + b"\n")
    if more:
        more(a, c)
    case.lab("heal", 3)
    case.equal()


def conflicts(case, node):
    return json.loads(case.multiall(node, "conflicts", "--json").stdout)["conflicts"]


def test(case):
    a, b, c = case.dirs
    names = ["plain", "sub/dir/with.ext", "two", "kept.txt", "by-node"]
    os.makedirs(a + "/sub/dir")
    for name in names:
        e2e.put(a + "/" + name, b"base\n")
    os.setxattr(a + "/plain", "user.note", b"stays")
    case.equal()
    e2e.check(case.multiall(1, "conflicts").stdout == "There are no conflicts.\n", "conflicts without any")
    fork(case, names + ["new"])

    for node in (1, 2, 3):
        found = conflicts(case, node)
        e2e.check(sorted(os.path.relpath(x["shown"]["path"], case.dirs[node - 1]) for x in found) == sorted(names + ["new"]),
                  "node %d lists %s", node, found)
        for x in found:
            e2e.check(x["kind"] == ("name" if x["shown"]["path"].endswith("/new") else "content"), "kind of %s", x)
            e2e.check(e2e.get(x["shown"]["path"]).startswith(b"right") and e2e.get(x["loser"]["path"]).startswith(b"left"),
                      "the sides of %s", x)
            e2e.check((x["shown"]["node"], x["loser"]["node"]) == ("n3", "n1"), "who wrote %s", x)
        e2e.check(case.pool(node)["conflicts"] == len(found), "status says %s", case.pool(node)["conflicts"])

    diff = case.multiall(2, "conflicts", "diff", b + "/plain", ok=False)
    e2e.check(diff.returncode == 1 and "-right, later plain" in diff.stdout and "+left plain" in diff.stdout,
              "diff: %s", diff)
    dry = case.multiall(2, "conflicts", "resolve", "--all", "--keep", "both", "--dry-run").stdout
    e2e.check("would have renamed" in dry and len(conflicts(case, 2)) == 6, "--dry-run did: %s", dry)

    case.multiall(2, "conflicts", "resolve", b + "/plain", "--keep", "n1")
    case.multiall(1, "conflicts", "resolve", a + "/by-node", a + "/new", "--keep", "n1")
    case.multiall(3, "conflicts", "resolve", c + "/two", "--keep", "newest")
    case.multiall(2, "conflicts", "resolve", b + "/kept.txt", "--keep", "both")
    nobody = case.multiall(1, "conflicts", "resolve", "--all", "--keep", "n2", ok=False)
    e2e.check(nobody.returncode == 1 and "no side of it was written by that node" in nobody.stdout, "%s", nobody)
    case.twin("somebody writes one of them anew", lambda: e2e.put(a + "/plain", b"not resolved\n"))
    case.equal()
    for d in case.dirs:
        e2e.check(e2e.get(d + "/plain") == b"left plain\n", "--keep n1 kept %s", e2e.get(d + "/plain"))
        e2e.check(os.getxattr(d + "/plain", "user.note") == b"stays", "the attribute went")
        e2e.check(e2e.get(d + "/by-node") == b"left by-node\n", "--keep n1 kept another")
        e2e.check(e2e.get(d + "/new") == b"left new\n", "--keep n1 of two new files kept another")
        e2e.check(e2e.get(d + "/two") == b"right, later two\n", "--keep newest kept another")
        e2e.check(e2e.get(d + "/kept.txt") == b"right, later kept.txt\n", "--keep both")
        e2e.check(e2e.get(d + "/kept-n1.txt") == b"left kept.txt\n", "--keep both")
        left = [x for _, _, files in os.walk(d) for x in files if ".conflict-" in x]
        e2e.check(len(left) == 1 and left[0].startswith("with.conflict-"), "left: %s", left)
    e2e.check(len(conflicts(case, 1)) == 1, "still listed: %s", conflicts(case, 1))

    # Listed after a restart; and by the paths that hold after a move of the directory above.
    os.rename(c + "/sub", c + "/moved")
    case.equal()
    case.lab("stop", 1)
    case.lab("start", 1)
    found = conflicts(case, 1)
    e2e.check([x["shown"]["path"] for x in found] == [a + "/moved/dir/with.ext"], "after a restart: %s", found)
    case.multiall(1, "conflicts", "resolve", "--all", "--keep", "newest")
    case.equal()
    for node in (1, 2, 3):
        e2e.check(conflicts(case, node) == [] and case.pool(node)["conflicts"] == 0, "node %d has some left", node)


e2e.run(test)
