#!/usr/bin/env python3
"""A peer that hangs with its connections open: the others go on, more than its queues can hold; when
it wakes up it is served what it missed."""
import json
import os
import signal

import e2e


def test(case):
    a, b, c = case.dirs
    case.equal()
    hung = json.loads(case.lab("pids").stdout)[2]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        e2e.make_files(a + "/many", 500, 3000)
        for i in range(10):
            e2e.put("%s/large%d" % (a, i), e2e.noise(i, 4 << 20))
        with open(a + "/synced", "wb") as f:
            f.write(b"x")
            f.flush()
            os.fsync(f.fileno())
        e2e.until(lambda: os.path.exists(b + "/synced") and case.peer(1, 2)["in_sync"] and case.peer(2, 1)["in_sync"],
                  "nodes 1 and 2 are in sync while node 3 hangs")
        e2e.check(not case.peer(1, 3)["in_sync"] and case.peer(1, 3)["behind_ops"] > 0, "node 3 is said to have all")
        case.twin("node 3 does not wake up, its node is cut", lambda: case.lab("cut", 3))
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)
    case.equal()


e2e.run(test)
