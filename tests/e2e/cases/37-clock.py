#!/usr/bin/env python3
"""A node whose clock is a year ahead, or behind: it works on alone, the others say why they refuse it, and
all is well when the clock is right again."""
import os

import e2e


def start(case, node, offset):
    os.environ["MULTIALL_LAB_WRAP_%d" % node] = "faketime -f %s" % offset if offset else ""
    case.lab("start", node)


def test(case):
    a, b, c = case.dirs
    for offset, word in (("+1y", "ahead of"), ("-1y", "behind")):
        e2e.put(a + "/shared", b"before\n")
        case.equal()
        case.lab("stop", 2)
        start(case, 2, offset)
        e2e.put(b + "/alone" + word, b"written while the clock was wrong\n")
        e2e.put(b + "/shared", b"wrong clock\n")
        e2e.put(a + "/other", word.encode())
        e2e.until(lambda: e2e.get(c + "/other") == word.encode(), "the others go on")
        e2e.until(lambda: "set the clocks" in case.multiall(1, "status").stdout, "status says why n2 is refused")
        e2e.check(word in case.multiall(1, "status").stdout, "n2 is %s: %s", word, case.multiall(1, "status").stdout)
        e2e.check(not os.path.exists(a + "/alone" + word), "it was let in")
        case.lab("stop", 2)
        e2e.put(a + "/shared", b"right clock, later\n")
        case.twin("the clock stays wrong", lambda: start(case, 2, offset))
        if not case.planted:
            start(case, 2, "")
        case.equal()
        e2e.check(e2e.get(c + "/alone" + word) == b"written while the clock was wrong\n", "what n2 wrote alone is lost")
        e2e.check(e2e.get(b + "/shared") == b"right clock, later\n", "the wrong clock has won: %s", e2e.get(b + "/shared"))
        case.multiall(3, "conflicts", "resolve", "--all", "--keep", "newest")
        case.equal()


e2e.run(test)
