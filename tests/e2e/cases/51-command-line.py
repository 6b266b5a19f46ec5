#!/usr/bin/env python3
"""The command line and the daemon's start: exit statuses, one line of invitation, what is refused and
why, the mount programs, a damaged settings file, a second daemon, a restart by mountall."""
import json
import os
import signal

import e2e

DAEMON = os.path.join(e2e.TOP, "takeconnector")
MOUNT = os.path.join(e2e.TOP, "mount.multiall")


def refused(r, status, *words):
    e2e.check(r.returncode == status, "status %d, not %d: %s", r.returncode, status, r.stdout)
    for word in words:
        e2e.check(word in r.stdout, "\"%s\" is not said: %s", word, r.stdout)


def settings(case):
    path = case.root(1, "etc/multiall/multiall.conf")
    good = e2e.get(path)
    r = case.multiall(1, "settings", "--json")
    e2e.check(any(s["key"] == "listen" and s["default"] for s in json.loads(r.stdout)["settings"]), "settings: %s", r.stdout)
    e2e.put(path, good + b"# a comment\njournal_max = 12Q\n")
    line = good.count(b"\n") + 2
    refused(case.multiall(1, "settings", ok=False), 2, "multiall.conf:%d: journal_max = 12Q" % line)
    other = case.root(1, "other")
    os.makedirs(other + "/etc/multiall")
    e2e.put(other + "/etc/multiall/multiall.conf", b"transport = pigeon\n")
    refused(case.execute(1, DAEMON, "--root", other, ok=False), 2, "multiall.conf:1: transport = pigeon")
    e2e.put(path, good)


def invitations(case):
    text = case.multiall(1, "invite").stdout
    words = text.split()
    e2e.check(text.count("\n") == 1 and words[:2] == ["multiall", "join"] and len(words) == 4, "invite: %r", text)
    refused(case.multiall(1, "invite", "--ttl", "31d", ok=False), 2, "30 d")
    refused(case.multiall(1, "invite", "--ttl", "soon", ok=False), 2, "soon")
    refused(case.multiall(1, "init", ok=False), 2, "belongs to a fleet already")
    refused(case.multiall(1, *words[1:], ok=False), 2, "belongs to a fleet already")


def pools(case):
    refused(case.multiall(1, "pool", "create", "../up", ok=False), 2, "cannot be the name")
    refused(case.multiall(1, "pool", "create", "web", ok=False), 2, "web")
    refused(case.multiall(1, "pool", "create", "x", "--adopt", "/not/there", ok=False), 2, "/not/there")
    refused(case.multiall(1, "pool", "join", "nobody-has-it", ok=False), 2, "nobody-has-it")
    refused(case.multiall(1, "pool", "leave", "nobody-has-it", ok=False), 2, "nobody-has-it")
    refused(case.multiall(1, "remove", "n9", ok=False), 2, "n9")
    refused(case.multiall(1, "remove", "n1", ok=False), 2, "multiall leave")
    r = case.multiall(2, "pool", "list", "--json")
    e2e.check([p["name"] for p in json.loads(r.stdout)["pools"]] == ["web"], "pool list: %s", r.stdout)


def mounts(case):
    at = case.dirs[0]
    e2e.check(case.execute(1, MOUNT, "web", at, "-o", "rw,_netdev,x-y=z").returncode == 0, "mounted is no success")
    refused(case.execute(1, MOUNT, "web", at, "-o", "ro", ok=False), 1, "\"ro\"")
    refused(case.execute(1, MOUNT, "web", "/mnt", ok=False), 1, "mount --bind")
    refused(case.execute(1, MOUNT, "none", case.root(1, "pool/none"), ok=False), 32, "none")
    e2e.sh("umount", at)
    refused(case.multiall(1, "status", "--check", ok=False), 1, "not mounted")
    e2e.check(not case.pool(1)["mounted"], "status says that it is mounted")
    e2e.check(case.execute(1, MOUNT, "multiall:web", at).returncode == 0 and os.path.ismount(at), "not mounted again")
    e2e.sh("umount", at)
    e2e.check(case.execute(1, "mountall").returncode == 0 and os.path.ismount(at), "mountall mounts nothing")
    case.multiall(1, "status", "--check")


def delivered(case):
    """Nobody leaves with what only he has, unless he says so."""
    case.lab("cut", 2)
    e2e.put(case.dirs[1] + "/only-here", b"not delivered")
    e2e.until(lambda: case.peer(2, 1)["state"] != "live", "node 2 notices the cut")
    case.twin("the cable is in again, and node 2 delivers", lambda: (case.lab("heal", 2), case.in_sync()))
    refused(case.multiall(2, "pool", "leave", "web", ok=False), 2, "--force")
    refused(case.multiall(2, "leave", ok=False), 2, "--force")
    refused(case.multiall(2, "wait", "--timeout", 0, ok=False), 1, "web")
    e2e.check(e2e.get(case.dirs[1] + "/only-here") == b"not delivered", "a refused leave changed something")
    case.lab("heal", 2)
    case.equal()
    case.multiall(2, "wait", "--timeout", 60)


def daemons(case):
    refused(case.execute(1, DAEMON, "--root", case.root(1), ok=False), 3, "another takeconnector")
    refused(case.execute(1, DAEMON, "--no-such-option", ok=False), 2, "usage")
    case.lab("kill", 1)
    for verb in (["status"], ["wait"], ["pool", "list"]):
        refused(case.multiall(1, *verb, ok=False), 2, "takeconnector does not run", "mountall")
    # Started by mountall: not a process that the lab knows, so it is ended here.
    case.execute(1, "mountall")
    e2e.check(os.path.ismount(case.dirs[0]), "mountall starts no daemon")
    e2e.check(b"ready" in e2e.get(case.root(1, "var/log/multiall/takeconnector.log")), "no log")
    lock = case.root(1, "run/multiall/takeconnector.lock")
    os.kill(int(e2e.get(lock)), signal.SIGTERM)
    e2e.until(lambda: not os.path.exists(case.root(1, "run/multiall/control.sock")) and not os.path.ismount(case.dirs[0]),
              "it ends in order")


def test(case):
    settings(case)
    invitations(case)
    pools(case)
    mounts(case)
    delivered(case)
    daemons(case)


e2e.run(test, nodes=2)
