#!/usr/bin/env python3
"""Who does not belong is refused: used and made-up tokens, a removed node, a node of another pool."""
import os

import e2e


def join(case, k, words, *more):
    return case.multiall(k, "join", words[2], words[3], "--address", case.info()["addresses"][k - 1] + ":7447", *more,
                         ok=False)


def members(case, k):
    return {m["node"]: m["state"] for m in case.status(k)["members"]}


def test(case):
    case.lab("node", 4)
    words = case.multiall(1, "invite").stdout.split()
    bad = list(words)
    middle = len(bad[3]) // 2
    bad[3] = bad[3][:middle] + ("A" if bad[3][middle] != "A" else "B") + bad[3][middle + 1:]
    e2e.check(join(case, 4, bad).returncode == 2, "a token that was tampered with was taken")
    e2e.check("n4" not in members(case, 1), "a refused node is a member")
    e2e.check(join(case, 4, words).returncode == 0, "the true token is refused")
    e2e.until(lambda: members(case, 1).get("n4") == "alive", "node 4 is alive for node 1")

    case.lab("node", 5)
    r = join(case, 5, words)
    case.twin("a second, valid token", lambda: e2e.check(
        join(case, 5, case.multiall(1, "invite").stdout.split()).returncode == 2, "node 5 was let in"))
    e2e.check(r.returncode == 2, "a token was used twice: %s", r.stdout)
    e2e.check("n5" not in members(case, 1), "a node with a used token is a member")
    r = case.multiall(5, "pool", "create", "web", ok=False)
    e2e.check(r.returncode == 2, "a node without a fleet makes a pool")

    # Node 4 is a member and not of the pool: it must not get its content.
    e2e.put(case.dirs[0] + "/secret", b"for the members of the pool")
    case.in_sync()
    e2e.check(e2e.sh("grep", "-rqa", "for the members of the pool", case.root(4), ok=False).returncode != 0,
              "a node holds content of a pool that it does not belong to")

    # Node 3 is removed at once and for ever, also if it does not know yet.
    case.lab("cut", 3)
    e2e.until(lambda: case.peer(1, 3)["state"] == "offline", "node 1 notices that node 3 is away")
    case.multiall(1, "remove", "n3")
    e2e.put(case.dirs[0] + "/after", b"not for node 3")
    e2e.put(case.dirs[2] + "/intruder", b"from a removed node")
    e2e.until(lambda: members(case, 2).get("n3") == "removed" and members(case, 1).get("n3") == "removed",
              "all know that node 3 is removed")
    refused = {k: case.status(k)["refused"]["certificate"] for k in (1, 2)}
    case.lab("heal", 3)
    case.lab("stop", 3)
    case.lab("start", 3)
    e2e.until(lambda: all(case.status(k)["refused"]["certificate"] > refused[k] for k in (1, 2)), "node 3 calls and is refused")
    e2e.until(lambda: any("removed" in m["held_reason"] for m in case.status(3)["members"]), "node 3 is told why")
    case.equal(case.dirs[:2])
    e2e.check(not os.path.exists(case.dirs[2] + "/after"), "a removed node is still served")
    e2e.check(not os.path.exists(case.dirs[0] + "/intruder"), "a removed node is still heard")


e2e.run(test)
