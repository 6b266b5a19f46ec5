#!/usr/bin/env python3
"""Who is here: a daemon that is killed, stopped, frozen; one topology on all; why says who says so."""
import os
import signal
import time

import e2e


def states(case, k):
    return {m["node"]: m["state"] for m in case.status(k)["members"]}


def all_say(case, who, node, state, limit_s=20):
    e2e.until(lambda: all(states(case, k)[node] == state for k in who),
              "nodes %s say that %s is %s: %s" % (who, node, state, [states(case, k) for k in who]), limit_s)


def one_topology(case, who):
    e2e.until(lambda: len({case.status(k)["topology"]["hash"] for k in who}) == 1, "one topology on %s" % (who,), 10)


def freeze(case, k):
    """Longer than the silence that counts. Nobody but the frozen one is accused, by nobody."""
    pid = next(p for p in e2e.json.loads(case.lab("pids").stdout)[k - 1]
               if os.path.basename(os.readlink("/proc/%d/exe" % p)) == "takeconnector")
    os.kill(pid, signal.SIGSTOP)
    try:
        all_say(case, [n for n in (1, 2, 3) if n != k], "n%d" % k, "down")
    finally:
        os.kill(pid, signal.SIGCONT)
    all_say(case, (1, 2, 3), "n%d" % k, "alive")
    for n in (1, 2, 3):
        for line in case.log_of(n).splitlines():
            e2e.check("is down: " not in line or "node %d " % k in line, "node %d accused a healthy node: %s", n, line)


def test(case):
    for n in (1, 2, 3):
        all_say(case, (1, 2, 3), "n%d" % n, "alive")
    one_topology(case, (1, 2, 3))
    e2e.until(lambda: all(m["rtt_us"] for m in case.status(1)["members"] if not m["self"]), "round trips are measured")
    freeze(case, 2)
    case.equal()

    case.lab("kill", 3)
    case.twin("the daemon is started again", lambda: case.lab("start", 3))
    all_say(case, (1, 2), "n3", "down")
    member = next(m for m in case.status(2)["members"] if m["node"] == "n3")
    e2e.check("no daemon runs" in member["cause"], "the cause of a crash: %s", member)
    one_topology(case, (1, 2))
    why = e2e.json.loads(case.multiall(1, "why", "n3", "--json").stdout)
    said = {o["node"]: o["says"] for o in why["observers"]}
    e2e.check(set(said) == {"n1", "n2"} and all("refused" in s for s in said.values()), "why: %s", why)
    e2e.check(why["history"][0]["state"] == "down" and "down" in case.multiall(1, "why", "3").stdout, "why: %s", why)
    e2e.check(case.multiall(1, "why", "nobody", ok=False).returncode == 2, "why of nobody")

    case.lab("start", 3)
    all_say(case, (1, 2, 3), "n3", "alive")
    case.lab("stop", 3)
    all_say(case, (1, 2), "n3", "down")
    e2e.check("said that it stops" in case.multiall(1, "why", "n3").stdout, "an orderly stop is not told from a crash")
    case.lab("start", 3)
    all_say(case, (1, 2, 3), "n3", "alive")
    one_topology(case, (1, 2, 3))
    case.equal()


e2e.run(test)
