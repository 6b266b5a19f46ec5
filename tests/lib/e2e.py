"""What the end-to-end cases share: a lab of their own, checks, and the twin.

A case is an executable in tests/e2e/cases that calls run(function, nodes=N). Its exit status is
0 passed, 1 a check failed, 2 something else went wrong, 77 skipped.

The twin: each case says at one place what would have to go wrong in the world so that its checks
must notice, as `case.twin("what", fn)`. fn runs only with TWIN=1 in the environment; such a run
must then end with 1. So a case that can't fail is found out.
"""
import json
import os
import random
import subprocess
import sys
import time
import traceback

import tree

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
LIMIT_S, TWIN_LIMIT_S = 60.0, 5.0


class CheckFailed(Exception):
    pass


class Skip(Exception):
    pass


def check(truth, text, *args):
    if not truth:
        raise CheckFailed(text % args if args else text)


patience_s = LIMIT_S  # less in a twin, once its fault is planted: then nothing good will come


def until(test, what, limit_s=LIMIT_S):
    """Polls until test() is true; what it waits for is an observable fact, never a guessed time."""
    limit_s = min(limit_s, patience_s)
    end, error = time.monotonic() + limit_s, None
    while True:
        try:
            if test():
                return
            error = None
        except OSError as e:
            error = e
        if time.monotonic() > end:
            raise CheckFailed("not within %d s: %s%s" % (limit_s, what, " (%s)" % error if error else ""))
        time.sleep(0.01)


def sh(*argv, ok=True, **kw):
    r = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       errors="replace", **kw)
    if ok:
        check(r.returncode == 0, "%s: status %d: %s", " ".join(map(str, argv)), r.returncode, r.stdout[-800:])
    return r


def put(path, data, mode="wb"):
    with open(path, mode) as f:
        f.write(data)


def put_pieces(path, data, piece=32768):
    """In writes so small that the journal carries the bytes."""
    with open(path, "wb", buffering=0) as f:
        for at in range(0, len(data), piece):
            f.write(data[at:at + piece])


def get(path):
    with open(path, "rb") as f:
        return f.read()


def noise(tag, size):
    return random.Random(str(tag)).randbytes(size)


def make_files(root, count, size, tag=""):
    os.makedirs(root, exist_ok=True)
    for i in range(count):
        put(os.path.join(root, "f%05d" % i), noise("%s%d" % (tag, i), size))


class Case:
    def __init__(self):
        self.lab_file = os.path.join(TOP, "tests", "lab")
        self.dirs = []
        self.is_twin = bool(os.environ.get("TWIN"))
        self.planted = False

    # ---- the lab
    def lab(self, *args, ok=True):
        r = subprocess.run([self.lab_file] + [str(a) for a in args], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        if ok and r.returncode:
            raise RuntimeError("lab %s: %s" % (" ".join(map(str, args)), r.stderr.strip()))
        return r

    def up(self, nodes, *args):
        self.dirs = self.lab("up", nodes, *args).stdout.split("\n")[:-1]
        return self.dirs

    def info(self):
        return json.loads(self.lab("info").stdout)

    def root(self, k, *rest):
        return os.path.join(os.environ["MULTIALL_LAB"], "n%d" % k, *rest)

    def wire(self):
        return json.loads(self.lab("wire").stdout)

    def sent_by_all(self):
        return sum(node["tx"] for node in self.wire())

    def execute(self, k, *argv, ok=True):
        """A command in the network of node k."""
        return sh(self.lab_file, "exec", k, "--", *argv, ok=ok)

    def multiall(self, k, *args, ok=True):
        return self.execute(k, "multiall", *args, ok=ok)

    def status(self, k):
        r = self.multiall(k, "status", "--json", ok=False)
        return json.loads(r.stdout[r.stdout.index("{"):])

    def pool(self, k, name="web"):
        return next(p for p in self.status(k)["pools"] if p["name"] == name)

    def peer(self, k, other, name="web"):
        """What node k says about node `other` in the pool, or None."""
        return next((p for p in self.pool(k, name)["peers"] if p["node"] == "n%d" % other), None)

    def log_of(self, k):
        with open(os.path.join(os.environ["MULTIALL_LAB"], "n%d.log" % k), errors="replace") as f:
            return f.read()

    # ---- checks
    def in_sync(self, limit_s=LIMIT_S):
        limit_s = min(limit_s, patience_s)
        check(self.lab("wait", "--timeout", limit_s, ok=False).returncode == 0, "not in sync within %d s", limit_s)

    def equal(self, dirs=None, ignore=()):
        """All nodes that reach each other are in sync and hold the same tree."""
        self.in_sync()
        found = tree.compare(dirs or self.dirs, ignore=ignore)
        check(not found, "the trees differ:\n  %s", "\n  ".join(found[:20]))

    def twin(self, what, plant):
        """What would make this case fail, done only in its twin."""
        global patience_s
        if self.is_twin:
            patience_s = TWIN_LIMIT_S
            print("planted: " + what, flush=True)
            self.planted = True
            plant()

    def twin_cut(self):
        """The plainest plant: the last node is cut off and writes something, so it is not equal."""
        def plant():
            self.lab("cut", len(self.dirs))
            put(os.path.join(self.dirs[-1], "planted"), b"planted")
        self.twin("node %d is cut off and writes" % len(self.dirs), plant)


def run(function, nodes=3, args=()):
    case = Case()
    try:
        if nodes:
            case.up(nodes, *args)
        function(case)
        status = 0
    except CheckFailed as e:
        print("failed: %s" % e)
        status = 1
    except Skip as e:
        print("skipped: %s" % e)
        status = 77
    except Exception:
        traceback.print_exc(file=sys.stdout)
        status = 2
    if case.is_twin and not case.planted and status != 77:
        print("the twin planted nothing")
        status = 2
    sys.stdout.flush()
    os._exit(status)  # threads of a case that still wait for a dead mount do not matter any more
