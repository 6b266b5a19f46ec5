#!/usr/bin/env python3
"""Levels of durability: fsync waits for the nodes that the pool asks for, or does what it says then."""
import contextlib
import errno
import json
import os
import signal

import e2e


def write(path, data):
    """What write and fsync say: 0, or the number of the error."""
    try:
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        try:
            os.write(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as e:
        return e.errno
    return 0


@contextlib.contextmanager
def frozen(case, *nodes):
    pids = [pid for k in nodes for pid in json.loads(case.lab("pids").stdout)[k - 1]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def thaw(case, log):
    for pid in json.loads(case.lab("pids").stdout)[2]:
        os.kill(pid, signal.SIGCONT)
    e2e.until(lambda: write(log, b"thawed\n") == 0, "all is kept")
    set_level(case, durability_wait="60s")


def kept(case):
    return case.pool(1)["durability_kept"]


def level(path):
    return os.getxattr(path, "user.multiall.durability").decode()


def set_level(case, **settings):
    case.multiall(1, "pool", "set", "web", *("%s=%s" % x for x in settings.items()))


def test(case):
    a, b, c = case.dirs
    log = a + "/log"
    e2e.check(write(log, b"local\n") == 0 and kept(case), "the level local is not kept")
    r = case.multiall(1, "pool", "set", "web", "durability=most", ok=False)
    e2e.check(r.returncode == 2 and "must be local, one, quorum or all" in r.stdout, "%s", r)

    set_level(case, durability="all", durability_wait="60s", durability_else="eio")
    case.equal()
    values = {s["name"]: s["value"] for s in json.loads(case.multiall(3, "pool", "settings", "web", "--json").stdout)["settings"]}
    e2e.check([values["durability" + x] for x in ("", "_wait", "_else")] == ["all", "60s", "eio"], "on n3: %s", values)
    e2e.check(not [x for x in os.listxattr(a) if "multiall" in x], "an application sees %s", os.listxattr(a))
    e2e.check(write(log, b"all\n") == 0 and level(log) == "all 3/3", "all: %s", level(log))

    # A node that does not answer: quorum goes on without it, all does not.
    set_level(case, durability="quorum")
    with frozen(case, 3):
        e2e.check(write(log, b"quorum\n") == 0 and level(log) == "quorum 2/3", "quorum: %s", level(log))
        set_level(case, durability="all", durability_wait="0s")
        e2e.check(write(log, b"not all\n") == errno.EIO and not kept(case), "all was promised without n3")
        case.twin("n3 goes on, and all is kept", lambda: thaw(case, log))
        e2e.check(write(log, b"still not\n") == errno.EIO, "all was promised without n3")
        e2e.check(case.status(1)["pools"][0]["durability"] == "all", "status: %s", case.pool(1))
        set_level(case, durability="one", durability_wait="60s")
        e2e.check(write(log, b"one\n") == 0, "one: n2 is there")
    e2e.until(lambda: write(log, b"again\n") == 0 and kept(case), "the level is kept again")

    # Nobody there: what the pool says happens.
    set_level(case, durability="one", durability_wait="0s", durability_else="degrade")
    with frozen(case, 2, 3):
        e2e.check(write(log, b"degraded\n") == 0 and not kept(case), "degrade")
        e2e.check(level(log).startswith("local 1/"), "degraded: %s", level(log))
        set_level(case, durability_else="readonly")
        e2e.check(write(log, b"refused\n") == errno.EIO, "readonly: fsync")
        e2e.check(write(log, b"no more\n") == errno.EROFS, "readonly: write")
        for call in (lambda: os.mkdir(a + "/dir"), lambda: os.unlink(log), lambda: os.truncate(log, 0)):
            try:
                call()
                e2e.check(False, "readonly: a call went through")
            except OSError as e:
                e2e.check(e.errno == errno.EROFS, "readonly: %s", e)
        e2e.check(e2e.get(log).endswith(b"refused\n"), "reading: %s", e2e.get(log))
    e2e.until(lambda: write(log, b"writable\n") == 0, "writable again")
    case.equal()

    # What fsync said is on one more node is there when this one is lost with its disk.
    set_level(case, durability="one", durability_wait="60s")
    e2e.check(write(a + "/precious", b"kept\n") == 0, "one")
    case.lab("kill", 1)
    e2e.check(any(os.path.exists(d + "/precious") and e2e.get(d + "/precious") == b"kept\n" for d in (b, c)),
              "it was on no other node")

    # Read your writes: what a position names is there once the wait for it is over.
    for i in range(20):
        e2e.put(b + "/mine", b"%d\n" % i)
        position = os.getxattr(b + "/mine", "user.multiall.position").decode()
        case.multiall(3, "wait", position, "--timeout", "60s")
        e2e.check(e2e.get(c + "/mine") == b"%d\n" % i, "%s was here, and n3 shows %s", position, e2e.get(c + "/mine"))
    e2e.check(case.multiall(3, "wait", "web@3:ffffffffffff", "--timeout", "0", ok=False).returncode == 1, "a position to come")
    e2e.check(case.multiall(3, "wait", "web", ok=False).returncode == 2, "no position")
    case.lab("start", 1)
    case.equal()


e2e.run(test)
