#!/usr/bin/env python3
"""Orderly stop and start: the mount goes and comes, what was written in between is caught up."""
import json
import os

import e2e


def test(case):
    a, b, c = case.dirs
    e2e.make_files(a + "/d", 50, 3000)
    case.equal()
    case.lab("stop", 3)
    e2e.check(not os.path.ismount(c) and os.listdir(c) == [], "a stopped node still shows its pool")
    e2e.check(json.loads(case.lab("pids").stdout)[2] == [], "a stopped node has processes")
    e2e.make_files(a + "/while-away", 200, 3000)
    os.rename(b + "/d", b + "/e")
    case.twin("node 3 does not come back", lambda: case.equal())
    case.lab("start", 3)
    e2e.check(os.path.ismount(c), "start returned before the mount was there")
    case.equal()

    for k in (1, 2, 3):  # all at once: nobody is there to ask
        case.lab("stop", k)
    for k in (1, 2, 3):
        case.lab("start", k)
    e2e.put(b + "/after", b"x")
    case.equal()

    with open(c + "/held", "wb") as f:  # stop with a file open on the mount
        f.write(b"written before the stop")
        f.flush()
        case.lab("stop", 3)
    case.lab("start", 3)
    e2e.check(e2e.get(c + "/held") == b"written before the stop", "what was written before the stop")
    case.equal()


e2e.run(test)
