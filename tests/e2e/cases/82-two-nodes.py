#!/usr/bin/env python3
"""Two nodes: a crash is known for sure, a silence is not, and they say so; a third that holds no data decides."""
import e2e


def states(case, k):
    return {m["node"]: m["state"] for m in case.status(k)["members"]}


def say(case, k, wanted, limit_s=20):
    e2e.until(lambda: states(case, k) == wanted, "node %d says %s: %s" % (k, wanted, states(case, k)), limit_s)


def test(case):
    for k in (1, 2):
        say(case, k, {"n1": "alive", "n2": "alive"})
    case.lab("kill", 2)
    say(case, 1, {"n1": "alive", "n2": "down"})
    case.lab("start", 2)
    say(case, 1, {"n1": "alive", "n2": "alive"})

    case.lab("cut", 2)
    case.twin("the cable is in again", lambda: case.lab("heal", 2))
    say(case, 1, {"n1": "isolated", "n2": "suspect"})
    say(case, 2, {"n1": "suspect", "n2": "isolated"})
    e2e.check("witness" in case.multiall(1, "why", "n2").stdout, "what two nodes cannot decide is not said")
    case.lab("heal", 2)
    say(case, 1, {"n1": "alive", "n2": "alive"})

    case.lab("node", 3)
    line = case.multiall(1, "invite").stdout.split()
    case.multiall(3, "join", line[2], line[3], "--role", "witness")
    for k in (1, 2, 3):
        say(case, k, {"n1": "alive", "n2": "alive", "n3": "alive"})
    e2e.check([m["witness"] for m in case.status(1)["members"]] == [False, False, True], "who is the witness")
    e2e.check(case.multiall(3, "pool", "join", "web", ok=False).returncode == 2, "a witness holds a pool")
    case.lab("cut", 2)
    for k in (1, 3):
        say(case, k, {"n1": "alive", "n2": "down", "n3": "alive"})
    case.lab("heal", 2)
    say(case, 2, {"n1": "alive", "n2": "alive", "n3": "alive"})


e2e.run(test, nodes=2)
