#!/usr/bin/env python3
"""A node that is cut off goes on working; when it is back, both sides owe each other nothing."""
import os

import e2e


def work(root, tag):
    """Ordinary work on things that only this side touches."""
    e2e.make_files(root + "/new-" + tag, 100, 2000, tag)
    with open(root + "/base/" + tag, "r+b") as f:
        f.seek(700000)
        f.write(b"changed by " + tag.encode())
    os.rename(root + "/base/move-" + tag, root + "/new-" + tag + "/moved")
    e2e.sh("rm", "-r", root + "/base/gone-" + tag)
    os.chmod(root + "/base/mode-" + tag, 0o600)
    os.setxattr(root + "/base/mode-" + tag, "user.by", tag.encode())
    e2e.put(root + "/base/log-" + tag, b"line of " + tag.encode() + b"\n", "ab")


def test(case):
    os.mkdir(case.dirs[0] + "/base")
    for tag in ("left", "right"):
        base = case.dirs[0] + "/base/"
        e2e.put(base + tag, e2e.noise(tag, 1 << 20))
        os.mkdir(base + "move-" + tag)
        e2e.make_files(base + "move-" + tag, 30, 1000, "m" + tag)
        e2e.make_files(base + "gone-" + tag, 30, 1000, "g" + tag)
        e2e.put(base + "mode-" + tag, b"x")
        e2e.put(base + "log-" + tag, b"begin\n")
    case.equal()

    for _ in range(2):  # the second cut begins where the first one ended
        case.lab("cut", 3)
        work(case.dirs[0], "left")
        work(case.dirs[2], "right")
        e2e.until(lambda: case.peer(1, 3)["state"] != "live" and case.peer(3, 1)["state"] != "live",
                  "both sides notice the cut")
        peer = case.peer(1, 3)
        e2e.check(peer["behind_ops"] > 0 and not peer["in_sync"], "node 3 is said to have all: %s", peer)
        e2e.check(not case.pool(3)["in_sync"] or not case.peer(3, 1)["state"] == "live", "node 3 knows of no cut")
        case.twin("the cable stays out", lambda: case.lab("cut", 3))
        if not case.is_twin:
            case.lab("heal", 3)
        case.equal()
        e2e.check(case.pool(3)["conflicts"] == 0, "work on different files made conflicts")
        for d in case.dirs:
            e2e.check(e2e.get(d + "/base/left")[700000:700015] == b"changed by left", "the left change on %s", d)
            e2e.check(e2e.get(d + "/base/right")[700000:700016] == b"changed by right", "the right change on %s", d)
            e2e.check(len(os.listdir(d + "/new-right")) == 101, "new files of the right on %s", d)
        for tag in ("left", "right"):  # as at the beginning, for the next round
            os.rename(case.dirs[1] + "/new-" + tag + "/moved", case.dirs[1] + "/base/move-" + tag)
            e2e.sh("rm", "-r", case.dirs[1] + "/new-" + tag)
            e2e.make_files(case.dirs[1] + "/base/gone-" + tag, 30, 1000, "again" + tag)
        case.equal()

    case.lab("split", "1/2/3")  # everyone alone
    for k, d in enumerate(case.dirs):
        e2e.put(d + "/alone%d" % k, b"%d" % k)
    case.lab("split", "1,2/3")
    e2e.until(lambda: os.path.exists(case.dirs[1] + "/alone0"), "1 and 2 are together")
    e2e.check(not os.path.exists(case.dirs[0] + "/alone2"), "3 is not among them")
    case.lab("split", "none")
    case.equal()


e2e.run(test)
