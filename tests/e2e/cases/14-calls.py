#!/usr/bin/env python3
"""Every file-system call with the results of a local disk (tests/posix): first on a native directory,
so that the program itself is known to be right here, then on the mount of a node. What it leaves
(nothing) and what is made beside it is the same on all nodes."""
import glob
import os

import e2e


def calls(case):
    source = os.path.join(e2e.TOP, "tests", "posix")
    e2e.sh("cc", "-std=gnu17", "-O1", "-g", "-D_GNU_SOURCE", "-I" + e2e.TOP, "-o", "fs_calls",
           *sorted(glob.glob(source + "/*.c")), "-lcmocka")
    os.mkdir("native")
    e2e.sh("./fs_calls", "native")
    e2e.put(case.dirs[0] + "/beside", b"beside")
    case.twin("the mount of node 1 is read-only",
              lambda: e2e.sh("mount", "-o", "remount,bind,ro", case.dirs[0]))
    for directory in case.dirs:
        e2e.sh("./fs_calls", directory)
    case.equal()
    e2e.check(os.listdir(case.dirs[1]) == ["beside"], "left behind: %s", os.listdir(case.dirs[1]))


if __name__ == "__main__":
    e2e.run(calls, nodes=2)
