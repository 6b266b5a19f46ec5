#!/usr/bin/env python3
"""What a busy moment takes of memory is given back when it is over, on the writer and on the peer."""
import os
import shutil
import threading

import e2e

THREADS, LARGE, SMALL = 16, 5, 60
REST_MIB = 40


def busy(root, k):
    here = os.path.join(root, "t%d" % k)
    os.makedirs(here)
    data = e2e.noise(k, 1 << 20)
    for i in range(LARGE):
        e2e.put("%s/large%d" % (here, i), data)
    for i in range(SMALL):
        e2e.put("%s/small%03d" % (here, i), data[:i])
        os.setxattr("%s/small%03d" % (here, i), "user.a", data[:i])
    shutil.rmtree(here)


def memory(case, k):
    return case.status(k)["memory_bytes"] / (1 << 20)


def test(case):
    threads = [threading.Thread(target=busy, args=(case.dirs[0], k)) for k in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    case.equal()
    rest = {"mib": REST_MIB}
    case.twin("a daemon may hold 1 MiB", lambda: rest.update(mib=1))
    for k in (1, 2):
        e2e.until(lambda: memory(case, k) < rest["mib"], "node %d gives back its memory" % k)


e2e.run(test, nodes=2)
