#!/usr/bin/env python3
"""A directory with very many names: listed whole and once while names come, go and move, by several at a
time, on both nodes; removed while it is listed. ENTRIES=1000000 LIMIT_S=3600 for more."""
import os
import threading

import e2e

ENTRIES = int(os.environ.get("ENTRIES", 6000))


def listed(where):
    names = os.listdir(where)
    e2e.check(len(names) == len(set(names)), "%d names twice in %s", len(names) - len(set(names)), where)
    return set(names)


def test(case):
    a, b = (d + "/many" for d in case.dirs)
    os.mkdir(a)
    made = {"%06d-%s" % (i, "n" * (i % 200)) for i in range(ENTRIES)}
    for name in made:
        os.close(os.open(os.path.join(a, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    e2e.check(listed(a) == made, "the names are not those that were made")
    e2e.until(lambda: os.path.isdir(b) and listed(b) == made, "the other node lists them all")

    # Some move and some go while others list: what stays is in every listing.
    stays = {n for n in made if int(n[:6]) % 5}
    wrong, stop = [], threading.Event()

    def lister(where):
        while not stop.is_set():
            lost = stays - set(os.listdir(where))
            if lost:
                wrong.append("%s lacks %d names, %s" % (where, len(lost), min(lost)))
                return

    crowd = [threading.Thread(target=lister, args=(d,)) for d in (a, a, b)]
    for t in crowd:
        t.start()
    for name in sorted(made - stays):
        if int(name[:6]) % 2:
            os.rename(os.path.join(a, name), os.path.join(a, "moved-" + name[:6]))
        else:
            os.unlink(os.path.join(a, name))
    stop.set()
    for t in crowd:
        t.join(60)
        e2e.check(not t.is_alive(), "a listing hangs")
    e2e.check(not wrong, "%s", "; ".join(wrong))
    case.twin_cut()
    case.equal()
    with os.scandir(a) as entries:
        for e in entries:
            os.unlink(e.path)
    e2e.check(not os.listdir(a), "%d names were not in the listing", len(os.listdir(a)))
    os.rmdir(a)
    case.equal()


e2e.run(test, nodes=2)
