#!/usr/bin/env python3
"""Nagios plugins: those of Debian say the same through a rule as by hand; one that hangs, forks and ignores
SIGTERM is gone when its time is up, and the other rules do not wait for it."""
import json
import os
import re

import e2e

DIR = "/usr/lib/nagios/plugins/"
# Plugins whose answer does not depend on the moment, beside those whose labels can be compared.
PLUGINS = {
    "dummy-ok": ["check_dummy", "0", "fine"],
    "dummy-warning": ["check_dummy", "1", "so so"],
    "dummy-critical": ["check_dummy", "2", "bad"],
    "dummy-unknown": ["check_dummy", "3", "no idea"],
    "load": ["check_load", "-w", "900,900,900", "-c", "950,950,950"],
    "load-bad": ["check_load", "-w", "0,0,0", "-c", "900,900,900"],
    "disk": ["check_disk", "-w", "1%", "-c", "1%", "-p", "/"],
    "disk-bad": ["check_disk", "-w", "100%", "-c", "1%", "-p", "/"],
    "procs": ["check_procs", "-w", "1:100000", "-c", "1:100000"],
    "users": ["check_users", "-w", "1000", "-c", "2000"],
    "file_age": ["check_file_age", "-w", "1", "-c", "999999999999", "-f", "/etc/hostname"],
    "tcp": ["check_tcp", "-H", "127.0.0.1", "-p", "1"],
    "no-such-option": ["check_load", "--no-such-option"],
}


def shape(perfdata):
    """Performance data without the figures of the moment: labels, units, limits."""
    return re.sub(r"=-?[0-9.]+", "=N", perfdata).strip()


def by_hand(argv):
    r = e2e.subprocess.run([DIR + argv[0]] + argv[1:], stdout=e2e.subprocess.PIPE, stderr=e2e.subprocess.DEVNULL,
                           text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/"},
                           user="nobody", group="nogroup", extra_groups=[])
    line = r.stdout.split("\n")[0]
    return r.returncode, line.partition("|")[0].strip(), line.partition("|")[2]


def rules(case):
    r = case.multiall(1, "health", "--json", ok=False)
    return {x["rule"]: x for x in json.loads(r.stdout[r.stdout.index("{"):])["rules"]}


def conf(case, text):
    where = case.root(1, "etc/multiall/multiall.conf.d")
    os.makedirs(where, exist_ok=True)
    e2e.put(where + "/plugins.conf", text.encode())


def compare(case, name, argv, said):
    status, text, perfdata = by_hand(argv)
    e2e.check(said["exit"] == status, "%s: exit %s by hand %d", name, said["exit"], status)
    e2e.check(shape(said["perfdata"]) == shape(perfdata), "%s: %s by hand %s", name, said["perfdata"], perfdata)
    if name.startswith("dummy"):
        e2e.check(said["text"] == text, "%s: %s by hand %s", name, said["text"], text)
    r = case.multiall(1, "health", "check", "plugin." + name, ok=False)
    e2e.check(r.returncode == status, "%s: health check exits with %d, by hand %d", name, r.returncode, status)
    e2e.check(shape(r.stdout.partition("|")[2]) == shape(perfdata), "%s: health check says %s", name, r.stdout)


def as_by_hand(case):
    if not os.path.exists(DIR + "check_load"):
        raise e2e.Skip("Debian's monitoring-plugins-basic is not installed")
    present = {n: a for n, a in PLUGINS.items() if os.path.exists(DIR + a[0])}
    conf(case, "\n".join('rule "plugin.%s" { check = {nagios, %s} every = 2s timeout = 1900ms enter = "1 of 1" leave = "1 of 1" }' %
                         (n, ", ".join('"%s"' % w for w in [DIR + a[0]] + a[1:])) for n, a in present.items()))
    e2e.until(lambda: {"plugin." + n for n in present} <= set(rules(case)) and
              all(rules(case)["plugin." + n]["exit"] is not None for n in present), "all plugins have run")
    case.twin("a plugin says something else by hand", lambda: PLUGINS["dummy-ok"].__setitem__(1, "2"))
    said = rules(case)
    for name, argv in present.items():
        compare(case, name, argv, said["plugin." + name])


def hung(case):
    pipe = case.root(1, "held")
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    script = case.root(1, "hung")
    e2e.put(script, b"""#!/bin/sh
exec 3>%s
trap '' TERM HUP INT
(while :; do sleep 1000; done) & (exec >/dev/null; while :; do sleep 1000; done) &
while :; do sleep 1000; done
""" % pipe.encode())
    os.chmod(script, 0o755)
    conf(case, """
rule "plugin.hung" { check = {nagios, "%s"} user = root every = 600s timeout = 1s enter = "1 of 1" }
rule "plugin.fine" { check = {nagios, "/bin/true"} every = 1s timeout = 500ms }
""" % script)
    e2e.until(lambda: rules(case).get("plugin.hung", {}).get("code") == 4002, "the plugin has timed out")
    os.set_blocking(held, True)
    e2e.check(os.read(held, 1) == b"", "nobody of its group holds the pipe any more")  # blocks while one does
    e2e.until(lambda: rules(case)["plugin.fine"]["code"] == 0, "the other rule is good")


def test(case):
    hung(case)
    as_by_hand(case)


e2e.run(test, nodes=1)
