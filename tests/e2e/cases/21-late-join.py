#!/usr/bin/env python3
"""A node joins a pool that is full already, and fills while the others go on writing."""
import os
import threading

import e2e


def test(case):
    a = case.dirs[0]
    e2e.sh("cp", "-a", "/usr/share/perl5" if os.path.isdir("/usr/share/perl5") else "/etc", a + "/tree")
    e2e.make_files(a + "/small", 1500, 500)
    e2e.put(a + "/large", e2e.noise("large", 20 << 20))
    os.link(a + "/large", a + "/large-too")
    e2e.sh("truncate", "-s", "10G", a + "/sparse")
    case.equal()

    case.lab("node", 3)
    words = case.multiall(1, "invite").stdout.split()
    stop, written = threading.Event(), []

    def writer():
        while not stop.is_set():
            e2e.put("%s/during%d" % (a, len(written)), b"%d" % len(written))
            written.append(1)

    thread = threading.Thread(target=writer)
    thread.start()
    address = case.info()["addresses"][2] + ":7447"
    case.multiall(3, "join", words[2], words[3], "--address", address, "--pool", "web")
    case.dirs = case.lab("dirs").stdout.split()
    e2e.until(lambda: os.path.ismount(case.dirs[2]), "the pool is mounted on the new node")
    e2e.until(lambda: os.path.exists(case.dirs[2] + "/large"), "the new node fills")
    stop.set()
    thread.join()
    e2e.check(written, "nothing was written during the join")
    case.twin_cut()
    case.equal()
    e2e.check(os.stat(case.dirs[2] + "/sparse").st_blocks < 2048, "the sparse file was filled")
    for k in (1, 2, 3):
        e2e.check({m["node"]: m["state"] for m in case.status(k)["members"]} ==
                  {"n1": "alive", "n2": "alive", "n3": "alive"}, "members on node %d", k)
    for k in (0, 1, 2):
        e2e.put(case.dirs[k] + "/after%d" % k, b"%d" % k)
    case.equal()


e2e.run(test, nodes=2)
