#!/usr/bin/env python3
"""A daemon that was stopped for a while says so itself, accuses nothing that it checks, and is not taken for
good meanwhile longer than its last report holds."""
import json
import os
import signal
import time

import e2e

FREEZE_S = 7  # the fault itself, longer than RUNNER_LATE_MS


def rules(case, k, *args):
    r = case.multiall(k, "health", *args, "--json", ok=False)
    return {x["rule"]: x for x in json.loads(r.stdout[r.stdout.index("{"):])["rules"]}


def test(case):
    where = case.root(2, "etc/multiall/multiall.conf.d")
    os.makedirs(where, exist_ok=True)
    e2e.put(where + "/a.conf", b'rule "often" { check = {file, "/etc/hostname"} every = 1s timeout = 500ms }\n')
    e2e.until(lambda: rules(case, 2).get("often", {}).get("code") == 0, "a check that runs each second")
    e2e.check("health.agent" not in rules(case, 2), "late without a reason: %s", rules(case, 2).get("health.agent"))
    pid = json.loads(case.lab("pids").stdout)[1][0]

    def freeze():
        os.kill(pid, signal.SIGSTOP)
        time.sleep(FREEZE_S)
        os.kill(pid, signal.SIGCONT)

    case.twin("the daemon is not stopped", lambda: None)
    if not case.is_twin:
        freeze()
    e2e.until(lambda: rules(case, 2).get("health.agent", {}).get("code") == 2007, "n2 says that it was late")
    e2e.until(lambda: rules(case, 1, "n2").get("health.agent", {}).get("code") == 2007, "n1 knows it")
    e2e.check(rules(case, 2)["often"]["code"] == 0, "what was checked late is bad: %s", rules(case, 2)["often"])


e2e.run(test, nodes=2)
