#!/usr/bin/env python3
"""Planned downtimes: known to all, over restarts, for nodes that are down, with an end; never the last copy."""
import e2e

WHY = ("--reason", "new disk")


def states(case, k):
    return {m["node"]: m["state"] for m in case.status(k)["members"]}


def all_say(case, who, node, state, limit_s=20):
    e2e.until(lambda: all(states(case, k)[node] == state for k in who),
              "nodes %s say that %s is %s: %s" % (who, node, state, [states(case, k) for k in who]), limit_s)


def refused(case, status, *words):
    r = case.multiall(1, *words, ok=False)
    e2e.check(r.returncode == status, "%s: status %d, not %d: %s", words, r.returncode, status, r.stdout)


def test(case):
    all_say(case, (1, 2, 3), "n2", "alive")
    refused(case, 2, "drain", "n2")
    refused(case, 2, "drain", "n2", "--for", "2h")
    refused(case, 2, "drain", "n2", "--for", "91d", *WHY)
    refused(case, 2, "maintenance", "nobody", "--for", "2h", *WHY)

    e2e.put(case.dirs[1] + "/file", e2e.noise("file", 100000))
    case.multiall(1, "drain", "n2", "--wait", "--for", "2h", *WHY)
    case.twin("it is resumed", lambda: case.multiall(3, "resume", "n2"))
    all_say(case, (1, 2, 3), "n2", "drained")
    e2e.check(e2e.get(case.dirs[0] + "/file") == e2e.noise("file", 100000), "drained, and not all is delivered")
    # Over restarts, also of all at once.
    for k in (1, 2, 3):
        case.lab("stop", k)
    for k in (1, 2, 3):
        case.lab("start", k)
    all_say(case, (1, 2, 3), "n2", "drained")
    e2e.check("new disk" in case.multiall(3, "why", "n2").stdout, "the reason is not shown")
    # Two of three may not go: n1 would be alone, then nobody.
    case.multiall(2, "maintenance", "n3", "--for", "2h", *WHY)
    all_say(case, (1, 2, 3), "n3", "maintenance")
    refused(case, 1, "drain", "n1", "--for", "2h", *WHY)
    case.multiall(1, "drain", "n1", "--force", "--for", "2h", *WHY)
    for k in (1, 2, 3):
        case.multiall(2, "resume", "n%d" % k)
        all_say(case, (1, 2, 3), "n%d" % k, "alive")

    # For one that is down; it hears of it when it is back.
    case.lab("kill", 3)
    all_say(case, (1, 2), "n3", "down")
    case.multiall(1, "maintenance", "n3", "--for", "2h", *WHY)
    all_say(case, (1, 2), "n3", "maintenance")
    case.lab("start", 3)
    all_say(case, (1, 2, 3), "n3", "maintenance")
    case.multiall(3, "resume", "n3")
    all_say(case, (1, 2, 3), "n3", "alive")
    # It ends by itself, for all at once.
    case.multiall(2, "cordon", "n1", "--for", "2s", *WHY)
    all_say(case, (1, 2, 3), "n1", "alive")
    e2e.check("cordoned" in case.multiall(3, "why", "n1").stdout, "a cordon was never seen")


e2e.run(test)
