#!/usr/bin/env python3
"""`multiall status`, its JSON, its exit statuses, and the same facts over HTTP."""
import json
import re
import urllib.error
import urllib.request

import e2e

FIELDS = {"top": ["node", "version", "pools", "members"],
          "pool": ["name", "path", "mounted", "in_sync", "files", "bytes", "journal_bytes", "conflicts", "peers"],
          "peer": ["node", "state", "behind_ops", "behind_bytes", "last_ack_age_s", "held_reason"],
          "member": ["node", "addresses", "zone", "state", "sbm", "rtt_us"]}


def has(what, value, where):
    missing = [f for f in FIELDS[what] if f not in value]
    e2e.check(not missing, "%s lacks %s", where, missing)


def page(case, k, path):
    with urllib.request.urlopen(case.info()["pages"][k - 1] + path, timeout=20) as answer:
        return answer.read().decode(), answer.headers.get("Content-Type", "")


def fields(case):
    for k in (1, 2, 3):
        s = case.status(k)
        has("top", s, "status of node %d" % k)
        e2e.check(s["node"] == "n%d" % k and len(s["pools"]) == 1, "status of node %d: %s", k, s)
        has("pool", s["pools"][0], "pool")
        e2e.check(s["pools"][0]["mounted"] is True and s["pools"][0]["path"] == case.dirs[k - 1], "pool: %s", s["pools"])
        e2e.check({p["node"] for p in s["pools"][0]["peers"]} == {"n1", "n2", "n3"} - {"n%d" % k}, "peers of %d", k)
        for p in s["pools"][0]["peers"]:
            has("peer", p, "peer")
        e2e.check([m["node"] for m in s["members"]] == ["n1", "n2", "n3"], "members: %s", s["members"])
        for m in s["members"]:
            has("member", m, "member")
            e2e.check(m["state"] == "alive" and {"code", "text"} <= set(m["sbm"]), "member: %s", m)
    e2e.check(case.pool(1)["files"] == case.pool(3)["files"] >= 20, "files: %s", [case.pool(k)["files"] for k in (1, 3)])


def over_http(case):
    text, kind = page(case, 1, "api/v1/status")
    s = json.loads(text)
    e2e.check("json" in kind and s["node"] == "n1", "the page's JSON: %s", text[:200])
    e2e.check(set(s) == set(case.status(1)), "page and command differ")
    text, kind = page(case, 2, "metrics")
    e2e.check(kind.startswith("text/plain"), "metrics are %s", kind)
    for line in text.splitlines():
        e2e.check(line.startswith("#") or re.fullmatch(r'[a-z_:][a-z0-9_:]*(\{[^}]*\})? [-+0-9.eE]+(Inf|NaN)?', line),
                  "not a metric: %s", line)
    e2e.check(re.search(r'^multiall_pool_in_sync\{pool="web"\} 1$', text, re.M), "no metric says that web is in sync")
    e2e.check("web" in page(case, 3, "")[0], "the page does not name the pool")
    page(case, 1, "healthz")
    try:
        page(case, 1, "nothing")
        e2e.check(False, "a page that does not exist is answered")
    except urllib.error.HTTPError as e:
        e2e.check(e.code == 404, "a page that does not exist: %d", e.code)


def test(case):
    e2e.make_files(case.dirs[0] + "/d", 20, 1000)
    case.equal()
    fields(case)
    over_http(case)
    for k in (1, 2, 3):
        text = case.multiall(k, "status").stdout
        e2e.check("web" in text and "\x1b" not in text, "status for people, without a terminal: %r", text)

    case.lab("cut", 3)
    e2e.put(case.dirs[0] + "/more", e2e.noise("more", 5000))
    case.twin("the cable is in again", lambda: case.lab("heal", 3))
    e2e.until(lambda: case.peer(1, 3)["state"] != "live" and case.peer(1, 3)["behind_ops"] > 0 and
              case.peer(1, 3)["behind_bytes"] >= 5000, "node 1 says how far node 3 is behind", 20)
    peer = case.peer(1, 3)
    e2e.check(peer["held_reason"] or peer["state"] == "offline", "no reason is given: %s", peer)
    e2e.until(lambda: {m["node"]: m["state"] for m in case.status(1)["members"]}["n3"] != "alive", "n3 is not alive")
    e2e.check("n3" in case.multiall(1, "status").stdout, "status for people does not name who is away")
    case.lab("heal", 3)
    case.equal()
    e2e.check(case.pool(1)["in_sync"] and case.peer(1, 3)["behind_ops"] == 0, "in sync: %s", case.pool(1))

    r = case.multiall(1, "no-such-verb", ok=False)
    e2e.check(r.returncode == 2, "an unknown verb: status %d", r.returncode)
    case.lab("stop", 1)
    r = case.multiall(1, "status", ok=False)
    e2e.check(r.returncode == 2 and "takeconnector" in r.stdout, "status without a daemon: %d %s", r.returncode, r.stdout)


e2e.run(test)
