#!/usr/bin/env python3
"""Random operations against a model in memory (tests/random): first on a native directory, then on the
mount; then with pauses at which both nodes hold, byte by byte, what the model holds: while they are
connected, and with a peer that was cut off from pause to pause and catches up by log, or by state.
OPS=1000000 SEED=7 LIMIT_S=3600 tests/e2e/run --no-twins 17 makes a long run of it."""
import glob
import os

import e2e

OPS = int(os.environ.get("OPS", 6000))
SEED = int(os.environ.get("SEED", 0)) or 1
PAUSE = 400


def run(*args):
    print(e2e.sh("./fs_random", *args).stdout.strip(), flush=True)


def test(case):
    a, b = case.dirs
    e2e.sh("cc", "-std=gnu17", "-O2", "-g", "-D_GNU_SOURCE", "-I" + e2e.TOP, "-o", "fs_random",
           *sorted(glob.glob(os.path.join(e2e.TOP, "tests", "random", "*.c"))))
    os.mkdir("native")
    run(OPS, SEED, "native")
    run(OPS, SEED, a)
    lab = case.lab_file
    case.twin("the second node stays cut off", lambda: case.lab("cut", 2))
    wait = "'%s' wait --timeout %d >/dev/null" % (lab, 5 if case.is_twin else 60)
    run(OPS, SEED + 1, PAUSE, wait, a, b)
    again = "'%s' heal 2 && %s && '%s' cut 2" % (lab, wait, lab)
    run(OPS // 2, SEED + 2, PAUSE, again, a, b)
    case.lab("heal", 2)
    # More than the journal holds goes by while it is cut off.
    state = "for i in 1 2; do head -c 9000000 /dev/urandom >'%s'/filler && sync -f '%s'/filler; done; %s" % (a, a, again)
    run(OPS // 6, SEED + 3, PAUSE, state, a, b)
    case.lab("heal", 2)
    case.equal()


e2e.run(test, nodes=2, args=["--set", "journal_max=%d" % (16 << 20)])
