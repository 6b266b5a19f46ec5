#!/usr/bin/env python3
"""The baseline: it is there without settings, a fault on one node is known on the other, rules of a node
and of a pool are taken, wrong ones are named and leave the good ones in force."""
import json
import os

import e2e


def health(case, k, *args):
    r = case.multiall(k, "health", *args, "--json", ok=False)
    return json.loads(r.stdout[r.stdout.index("{"):])


def rule(case, k, name):
    return next((r for r in health(case, k)["rules"] if r["rule"] == name), None)


def member(case, k, other):
    return next(m for m in case.status(k)["members"] if m["node"] == "n%d" % other)


def conf(case, k, name, text):
    where = case.root(k, "etc/multiall/multiall.conf.d")
    os.makedirs(where, exist_ok=True)
    e2e.put(where + "/" + name, text.encode())


def without_settings(case):
    for k in (1, 2):
        e2e.until(lambda: all(r["code"] != 4008 for r in health(case, k)["rules"]), "all checks of n%d have run" % k)
        names = {r["rule"] for r in health(case, k)["rules"]}
        e2e.check({"disk.root", "memory.available", "pool.mount", "pool.sync", "time.clock"} <= names, "rules: %s", names)
        e2e.check(rule(case, k, "pool.mount")["code"] == 0, "the mount: %s", rule(case, k, "pool.mount"))


def own_rule(case):
    flag = case.root(2, "flag")
    e2e.put(flag, b"x")
    conf(case, 2, "app.conf", """
rule "app.flag" { check = {file, "%s"} every = 1s timeout = 500ms enter = "2 of 2" leave = "2 of 2"
                  crit-effect = withdraw }
""" % flag)
    e2e.until(lambda: (rule(case, 2, "app.flag") or {}).get("code") == 0, "the rule is taken and good")
    case.twin("the flag stays", lambda: os.link(flag, flag + "2") or os.rename(flag + "2", flag))
    if not case.is_twin:
        os.unlink(flag)
    e2e.until(lambda: member(case, 1, 2)["sbm"]["code"] == 3803, "n1 knows that n2 is critical")
    sbm = member(case, 1, 2)["sbm"]
    e2e.check(sbm["effect"] == "withdraw" and "app.flag" in sbm["text"], "what n1 says of n2: %s", sbm)
    e2e.check(case.multiall(1, "health", "n2", ok=False).returncode == 1, "multiall health n2 exits with 0")
    e2e.check("app.flag" in case.multiall(1, "health", "n2", ok=False).stdout, "n1 does not name the rule")
    r = case.multiall(2, "health", "check", "app.flag", ok=False)
    e2e.check(r.returncode == 2 and r.stdout.startswith("CRITICAL - SBM-3803"), "as a plugin: %s", r.stdout)
    text = case.multiall(1, "health", "explain", "n2", "app.flag").stdout
    e2e.check("app.conf:3" in text or "app.conf:2" in text, "explain on another node: %s", text)
    e2e.put(flag, b"x")
    e2e.until(lambda: "3803" not in str(member(case, 1, 2)["sbm"]["code"]), "it is good again")
    r = case.multiall(2, "health", "check", "app.flag", ok=False)
    e2e.check(r.returncode == 0 and "file=" in r.stdout, "as a plugin: %s", r.stdout)
    e2e.check(case.multiall(1, "health", "check", "no.such", ok=False).returncode == 3, "a rule that is not there")


def wrong_file(case):
    conf(case, 2, "app.conf", "rule \"app.flag\" {\n  chekc = load\n}\n")
    e2e.until(lambda: rule(case, 2, "app.flag") and health(case, 2)["sources"][0]["error"], "the error is seen")
    e2e.check("app.conf:2: no such option 'chekc'" in case.multiall(2, "health", "lint", ok=False).stdout, "lint")
    e2e.check(case.multiall(2, "health", "lint", ok=False).returncode == 1, "lint exits with 0")
    e2e.check(rule(case, 2, "app.flag")["code"] == 0, "the last good rule is in force")
    e2e.until(lambda: any(r["code"] == 2005 for r in health(case, 1, "n2")["rules"]), "n1 is told about it")
    case.lab("stop", 2)  # also after a restart
    case.lab("start", 2)
    e2e.until(lambda: (rule(case, 2, "app.flag") or {}).get("code") == 0, "the last good rule after a restart")
    os.unlink(case.root(2, "etc/multiall/multiall.conf.d/app.conf"))
    e2e.until(lambda: not rule(case, 2, "app.flag"), "the rule goes with its file")


def rules_of_a_pool(case):
    path = case.root(1, "rules")
    e2e.put(path, b'rule "pool.space" { warn = "< 101" locked = warn every = 1s timeout = 500ms }\n')
    case.multiall(1, "health", "set", "web", path)
    e2e.until(lambda: rule(case, 2, "pool.space")["code"] == 2301, "the rules of the pool are in force on n2")
    conf(case, 2, "own.conf", 'rule "pool.space" { warn = off }\n')
    e2e.until(lambda: "would loosen warn" in case.multiall(2, "health", "lint").stdout, "a locked field is named")
    e2e.check(rule(case, 2, "pool.space")["code"] == 2301, "a locked field was loosened")
    e2e.put(path, b'rule "pool.space" { user = root }\n')
    r = case.multiall(1, "health", "set", "web", path, ok=False)
    e2e.check(r.returncode == 2 and "user can be set only" in r.stdout, "a pool may set the user: %s", r.stdout)
    e2e.check("locked" in case.multiall(2, "health", "rules", "web").stdout, "the rules of the pool are printed")
    case.lab("cut", 2)  # what is set meanwhile comes when the node is back
    e2e.put(path, b"# nothing\n")
    case.multiall(1, "health", "set", "web", path)
    e2e.until(lambda: member(case, 1, 2)["sbm"]["code"] == 4001, "a node that says nothing is not good")
    e2e.check(member(case, 1, 2)["sbm"]["effect"] == "no-new", "effect of a stale node: %s", member(case, 1, 2))
    case.lab("heal", 2)
    e2e.until(lambda: "nothing" in case.multiall(2, "health", "rules", "web").stdout, "the new rules reach n2")
    e2e.until(lambda: "would loosen" not in case.multiall(2, "health", "lint").stdout, "and are in force there")
    e2e.until(lambda: member(case, 1, 2)["sbm"]["code"] != 4001, "n2 is heard again")


def test(case):
    without_settings(case)
    own_rule(case)
    wrong_file(case)
    rules_of_a_pool(case)


e2e.run(test, nodes=2)
