#!/usr/bin/env python3
"""The ways out: `pool leave` and `leave` leave plain files behind, and the others go on."""
import os
import re

import e2e
import tree


def where(case, k, pool):
    """The backing directory that status names."""
    return case.pool(k, pool)["backing"]


def test(case):
    e2e.make_files(case.dirs[0] + "/d", 30, 2000)
    os.symlink("d/f00001", case.dirs[0] + "/link")
    case.equal()
    before = tree.snapshot(case.dirs[2], ino=False)
    kept = where(case, 3, "web")
    case.multiall(3, "pool", "leave", "web")
    e2e.check(not os.path.ismount(case.dirs[2]), "the pool is still mounted after leaving it")
    after = tree.snapshot(kept, ino=False)
    case.twin("a file is gone", lambda: after.pop("d/f00003"))
    after = {rel: fields for rel, fields in after.items() if not re.match(r"\.multiall(/|$)", rel)}
    for fields in after.values():
        fields["xattrs"] = {n: v for n, v in fields["xattrs"].items() if "multiall" not in n}
    found = [x for x in tree.differences(before, after) if not x.startswith(".: mtime")]
    e2e.check(not found, "what is left behind differs: %s", found[:5])
    e2e.put(case.dirs[0] + "/later", b"x")
    case.equal(case.dirs[:2])
    e2e.check(not os.path.exists(kept + "/later"), "a node that left still gets the pool")
    e2e.check([p["name"] for p in case.status(3)["pools"]] == [], "status shows a pool that was left")

    case.multiall(3, "pool", "join", "web")
    case.equal()
    e2e.check(where(case, 3, "web") != kept and not os.path.exists(kept + "/later"), "what was left behind is used again")
    kept = where(case, 3, "web")
    case.multiall(3, "leave")
    e2e.check(e2e.get(kept + "/later") == b"x" and not os.path.ismount(case.dirs[2]), "leave does not leave plain files")
    e2e.until(lambda: {m["node"]: m["state"] for m in case.status(1)["members"]}["n3"] == "left", "the others know")
    case.equal(case.dirs[:2])
    words = case.multiall(1, "invite").stdout.split()
    r = case.multiall(3, "join", words[2], words[3], "--address", case.info()["addresses"][2], "--pool", "web", ok=False)
    e2e.check(r.returncode == 0, "a node that left can't come back: %s", r.stdout)
    e2e.until(lambda: os.path.exists(case.dirs[2] + "/later"), "it fills again")


e2e.run(test)
