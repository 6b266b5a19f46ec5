#!/usr/bin/env python3
"""Who is cut off accuses nobody; a cut between two alone, or in one direction, takes nobody out."""
import e2e


def states(case, k):
    return {m["node"]: m["state"] for m in case.status(k)["members"]}


def say(case, k, wanted, limit_s=20):
    e2e.until(lambda: states(case, k) == wanted, "node %d says %s: %s" % (k, wanted, states(case, k)), limit_s)


def deaf(case, k, to, on):
    """Frames of node k to node `to` go nowhere; the other direction is not touched."""
    address = case.info()["addresses"][to - 1]
    words = ["replace", address, "lladdr", "02:00:00:00:00:00", "nud", "permanent"] if on else ["del", address]
    case.execute(k, "ip", "neigh", *words, "dev", "eth0")


def test(case):
    alive = {"n1": "alive", "n2": "alive", "n3": "alive"}
    for k in (1, 2, 3):
        say(case, k, alive)

    case.lab("cut", 3)
    case.twin("the cable is in again", lambda: case.lab("heal", 3))
    for k in (1, 2):
        say(case, k, dict(alive, n3="down"))
    say(case, 3, {"n1": "suspect", "n2": "suspect", "n3": "isolated"})
    e2e.check("majority" in case.multiall(1, "why", "n3").stdout, "why: %s", case.multiall(1, "why", "n3").stdout)
    e2e.check("witness" in case.multiall(3, "why", "n1").stdout, "why: %s", case.multiall(3, "why", "n1").stdout)
    e2e.check(case.status(1)["topology"]["majority"] and not case.status(3)["topology"]["majority"], "majority")
    case.lab("heal", 3)
    for k in (1, 2, 3):
        say(case, k, alive)

    # By way of the third: the pair is out of touch, nobody is down.
    for cut in (lambda on: case.lab("cut" if on else "heal", "1-3"), lambda on: deaf(case, 1, 3, on)):
        cut(True)
        e2e.until(lambda: {o["node"]: o["code"] for o in e2e.json.loads(
            case.multiall(2, "why", "n1", "--json").stdout)["observers"]}["n3"] == 3, "node 3 does not hear node 1")
        for k in (1, 2, 3):
            e2e.check(states(case, k) == alive, "node %d, a pair out of touch: %s", k, states(case, k))
        e2e.until(lambda: len({case.status(k)["topology"]["hash"] for k in (1, 2, 3)}) == 1, "one topology", 10)
        cut(False)
    case.equal()
    for k in (1, 2, 3):
        downs = [l for l in case.log_of(k).splitlines() if "is down: " in l]
        e2e.check(len(downs) == (1 if k < 3 else 0), "node %d: %s", k, downs)


e2e.run(test)
