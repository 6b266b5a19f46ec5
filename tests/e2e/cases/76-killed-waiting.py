#!/usr/bin/env python3
"""A daemon is killed while one of its threads waits for a directory that a program's call holds, and that
call waits for the daemon: the next start ends both."""
import os
import threading

import e2e

ROUNDS, WRITERS = 3, 6


def storm(directory, tag, over, deeds):
    k = 0
    while not over.is_set():
        path = os.path.join(directory, "%s-%d" % (tag, k % 5))
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
            os.unlink(path)
            deeds[0] += 1
        except OSError:
            over.wait(0.01)  # its daemon is gone just now
        k += 1


def test(case):
    over, deeds = threading.Event(), [0]
    os.mkdir(case.dirs[0] + "/d")
    case.equal()
    threads = [threading.Thread(target=storm, args=(root + "/d", "%d-%d" % (n, k), over, deeds), daemon=True)
               for n, root in enumerate(case.dirs) for k in range(WRITERS)]
    for t in threads:
        t.start()
    for _ in range(ROUNDS):
        before = deeds[0]
        e2e.until(lambda: deeds[0] > before + 300, "the storm goes on")
        case.lab("kill", 2)
        r = case.lab("start", 2, ok=False)
        e2e.check(r.returncode == 0, "the daemon does not start again: %s", r.stderr.strip())
    over.set()
    for t in threads:
        t.join()
    case.twin_cut()
    case.equal()


e2e.run(test, nodes=2)
