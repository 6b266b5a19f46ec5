#!/usr/bin/env python3
"""Nodes 1 and 3 do not see each other; node 2 sees both and hands on what each wrote."""
import os

import e2e


def test(case):
    a, b, c = case.dirs
    case.lab("cut", "1-3")
    e2e.until(lambda: case.peer(1, 3)["state"] != "live" and case.peer(3, 1)["state"] != "live",
              "1 and 3 notice that they don't see each other")
    e2e.make_files(a + "/from1", 100, 3000, "1")
    e2e.make_files(c + "/from3", 100, 3000, "3")
    e2e.put(a + "/large", e2e.noise("large", 3 << 20))
    case.twin("node 2 is cut off too", lambda: case.lab("cut", 2))
    e2e.until(lambda: os.path.isdir(c + "/from1") and len(os.listdir(c + "/from1")) == 100 and
              os.path.exists(c + "/large") and os.path.getsize(c + "/large") == 3 << 20, "node 3 has what node 1 wrote", 20)
    e2e.until(lambda: os.path.isdir(a + "/from3") and len(os.listdir(a + "/from3")) == 100,
              "node 1 has what node 3 wrote", 20)
    os.rename(c + "/from1", c + "/from1-moved-by-3")
    e2e.until(lambda: os.path.isdir(a + "/from1-moved-by-3"), "node 1 has node 3's rename", 20)
    case.equal()
    case.lab("heal", "1-3")
    e2e.until(lambda: case.peer(1, 3)["state"] == "live", "1 and 3 see each other again")
    e2e.put(a + "/direct", b"x")
    case.equal()


e2e.run(test)
