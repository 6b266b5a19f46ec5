#!/usr/bin/env python3
"""rm -r on one node: the others follow, keep what it was, say so, and bring it back."""
import json
import os
import shutil
import time

import e2e
import tree


def trash(case, node):
    return json.loads(case.multiall(node, "trash", "--json").stdout)["trash"]


def test(case):
    a, b, c = case.dirs
    case.multiall(1, "pool", "set", "web", "brake_files=50", "brake_share=20", "brake_window=1s")
    e2e.make_files(a + "/site/pages", 100, 3000)
    e2e.make_files(a + "/site/images", 100, 40000)
    e2e.put(a + "/other", b"stays\n")
    os.chown(a + "/site/pages/" + sorted(os.listdir(a + "/site/pages"))[0], 1234, 4321)
    os.setxattr(a + "/other", "user.note", b"x")
    case.equal()
    made = time.time()
    e2e.until(lambda: time.time() > made + 2, "the files are no longer young")
    before = {
        rel: e2e.get(os.path.join(a, "site", rel)) for rel in tree.names_of(a + "/site")
        if os.path.isfile(os.path.join(a, "site", rel))}
    e2e.check(len(before) == 200, "%d files", len(before))

    shutil.rmtree(a + "/site")
    case.equal()
    e2e.check(not os.path.exists(b + "/site") and os.path.exists(b + "/other"), "the removal did not arrive")
    for node in (2, 3):
        e2e.until(lambda n=node: case.pool(n)["trash"] == 200, "all that was removed is kept by the brake")
        e2e.check("unusually many" in case.multiall(node, "status").stdout, "status does not say so")
    e2e.check(case.pool(1)["trash"] == 0 and trash(case, 1) == [], "who removes it himself keeps nothing")
    case.lab("kill", 2)
    case.lab("start", 2)
    case.in_sync()
    listed = {x["path"]: x for x in trash(case, 2)}
    e2e.check(sorted(os.path.relpath(p, b + "/site") for p in listed) == sorted(before), "listed: %s", sorted(listed)[:5])
    e2e.check(all(x["brake"] for x in listed.values()), "not all are kept by the brake")

    r = case.multiall(2, "trash", "restore", b + "/nothing", ok=False)
    e2e.check(r.returncode == 1 and "is not in the trash" in r.stdout, "%s", r)
    case.multiall(2, "trash", "restore", b + "/site/pages")
    case.equal()
    e2e.check(os.listdir(a + "/site") == ["pages"] and len(os.listdir(a + "/site/pages")) == 100, "only the pages")
    clash = a + "/site/images/" + sorted(os.path.basename(p) for p in listed if "/images/" in p)[0]
    os.mkdir(a + "/site/images")
    e2e.put(clash, b"new\n")
    case.equal()
    r = case.multiall(2, "trash", "restore", "--all", ok=False)
    e2e.check(r.returncode == 1 and r.stdout.count("there is something of that name again") == 1, "%s", r.stdout[-300:])
    case.twin("one comes back with other bytes", lambda: e2e.put(c + "/site/pages/" + os.listdir(c + "/site/pages")[0], b"?"))
    case.equal()
    for d in case.dirs:
        for rel, data in before.items():
            want = b"new\n" if rel.endswith(os.path.basename(clash)) and rel.startswith("images") else data
            e2e.check(e2e.get(os.path.join(d, "site", rel)) == want, "%s/site/%s differs", d, rel)
    first = "pages/" + sorted(os.path.basename(r) for r in before if r.startswith("pages"))[0]
    st = os.stat(c + "/site/" + first)
    e2e.check((st.st_uid, st.st_gid) == (1234, 4321), "owner of %s: %d:%d", first, st.st_uid, st.st_gid)
    e2e.check(case.pool(2)["trash"] == 1, "left: %s", case.pool(2)["trash"])
    case.multiall(2, "trash", "empty")
    e2e.check(trash(case, 2) == [] and case.pool(2)["trash"] == 0, "not empty")


e2e.run(test)
