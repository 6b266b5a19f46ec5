#!/usr/bin/env python3
"""All nodes are killed at the same moment, under load on each: what each had acknowledged is on all
after they have come back, in whatever order."""
import os
import threading

import e2e


def writer(root, done, enough):
    try:
        os.mkdir(root)
        for i in range(1000000):
            with open("%s/%06d" % (root, i), "wb") as f:
                f.write(e2e.noise(i, 500 + i % 3000))
                f.flush()
                os.fsync(f.fileno())
            done.append(i)
            if i == 80:
                enough.set()
    except OSError:
        enough.set()


def test(case):
    for order in ((1, 2, 3), (3, 1, 2)):
        loads = []
        for k in (1, 2, 3):
            done, enough = [], threading.Event()
            name = "load%d-of-%d" % (order[0], k)
            thread = threading.Thread(target=writer, args=(os.path.join(case.dirs[k - 1], name), done, enough), daemon=True)
            thread.start()
            loads.append((name, done, enough, thread))
        for _, _, enough, _ in loads:
            enough.wait(60)
        kills = [threading.Thread(target=case.lab, args=("kill", k)) for k in order]
        for t in kills:
            t.start()
        for t in kills:
            t.join()
        for _, _, _, thread in loads:
            thread.join(60)
            e2e.check(not thread.is_alive(), "a writer hangs on a dead mount")
        for k in order:
            case.lab("start", k)
        case.in_sync()
        case.twin("an acknowledged file is gone", lambda: os.unlink("%s/%s/%06d" % (case.dirs[0], loads[0][0], loads[0][1][0])))
        for d in case.dirs:
            for name, done, _, _ in loads:
                e2e.check(len(done) > 50, "only %d files before the kill", len(done))
                for i in done:
                    path = "%s/%s/%06d" % (d, name, i)
                    e2e.check(os.path.exists(path) and e2e.get(path) == e2e.noise(i, 500 + i % 3000),
                              "%s was acknowledged and is gone or differs", path)
        case.equal()


e2e.run(test)
