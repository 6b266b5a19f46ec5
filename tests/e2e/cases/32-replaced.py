#!/usr/bin/env python3
"""A file is replaced on one node, again and again, while programs of the other open it: each open
succeeds, each read finds one whole version, and what was kept for the openers is gone in the end."""
import os
import threading

import e2e

TIMES = 1200
READERS = 6


def read(path, stop, seen, failures):
    while not stop.is_set():
        try:
            fd = os.open(path, os.O_RDONLY)
            data = os.read(fd, 1000)
            os.fstat(fd)
            os.close(fd)
            seen.append(data)
        except OSError as e:
            failures.append(str(e))


def test(case):
    a, b = case.dirs
    e2e.put(a + "/text", b"%06d" % 0 * 50)
    case.in_sync()
    stop, seen, failures = threading.Event(), [], []
    readers = [threading.Thread(target=read, args=(b + "/text", stop, seen, failures)) for _ in range(READERS)]
    for t in readers:
        t.start()
    case.twin("the file is moved away and back", lambda: [os.rename(a + "/text", a + "/away"), case.in_sync(),
                                                           os.rename(a + "/away", a + "/text")])
    for i in range(1, TIMES):
        e2e.put(a + "/text.new", b"%06d" % i * 50)
        os.rename(a + "/text.new", a + "/text")
    case.in_sync()
    stop.set()
    for t in readers:
        t.join()
    e2e.check(not failures, "%d of %d opens failed, the first: %s", len(failures), len(failures) + len(seen), failures[:1])
    e2e.check(len(seen) > READERS, "nobody read")
    torn = [d for d in seen if len(d) != 300 or d != d[:6] * 50]
    e2e.check(not torn, "torn: %s", torn[:1])
    kept = os.path.join(case.pool(2)["backing"], ".multiall")
    e2e.until(lambda: not [n for n in os.listdir(kept) if n.startswith("gone-")], "nothing is kept for openers any more")
    case.equal()


e2e.run(test, nodes=2)
