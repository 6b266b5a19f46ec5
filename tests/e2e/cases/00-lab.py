#!/usr/bin/env python3
"""The lab's verbs do what the contract says, and `down` leaves nothing, also after a killed `up`."""
import json
import os
import signal
import subprocess
import tempfile
import time

import e2e


def leftovers(lab):
    """What of a lab is still there: processes, mounts, namespaces, files."""
    import hashlib
    tag = hashlib.sha256(os.path.realpath(lab).encode()).hexdigest()[:8]
    out = [n for n in os.listdir("/run/netns") if tag in n]
    out += [line for line in open("/proc/mounts") if lab in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open("/proc/%s/cmdline" % pid).read()
        except OSError:
            continue
        if lab in words and "takeconnector" in words:
            out.append("process " + pid)
    return out + ([lab] if os.path.exists(lab) else [])


def verbs(case):
    lab = os.environ["MULTIALL_LAB"]
    e2e.check(case.dirs == [lab + "/n%d/pool/web" % k for k in (1, 2, 3)], "up printed %s", case.dirs)
    e2e.check(case.lab("dirs").stdout.split() == case.dirs, "dirs differs from what up printed")
    second = case.lab("dirs", "--pool", "second").stdout.split()
    e2e.check(all(map(os.path.ismount, case.dirs + second)), "not all pools are mounted")
    info = case.info()
    e2e.check(info["roots"] == [lab + "/n%d" % k for k in (1, 2, 3)] and info["dir"] == lab and info["version"],
              "info: %s", info)
    e2e.check(len(set(info["addresses"])) == 3 and len(set(info["pages"])) == 3, "info: %s", info)
    e2e.check(case.multiall(2, "status", "--json").stdout and case.status(2)["node"] == "n2", "exec 2 is not node 2")
    pids = json.loads(case.lab("pids").stdout)
    e2e.check(len(pids) == 3 and all(pids), "pids: %s", pids)

    before = case.wire()
    e2e.put(case.dirs[0] + "/f", e2e.noise("f", 200000))
    case.in_sync()
    after = case.wire()
    e2e.check(after[0]["tx"] - before[0]["tx"] > 400000, "200,000 bytes to two peers: %s, %s", before, after)
    e2e.check(all(a["rx"] - b["rx"] > 200000 for a, b in zip(after[1:], before[1:])), "%s, %s", before, after)

    case.lab("kill", 3)
    e2e.check(json.loads(case.lab("pids").stdout)[2] == [], "node 3 was killed and has processes")
    case.lab("start", 3)
    e2e.check(os.path.ismount(case.dirs[2]) and e2e.get(case.dirs[2] + "/f") == e2e.noise("f", 200000),
              "node 3 is not back")
    case.lab("cut", 2)
    e2e.put(case.dirs[0] + "/f", b"new")
    e2e.check(case.lab("wait", "--timeout", 30, ok=False).returncode == 0, "node 2 is cut off and waited for")
    case.lab("heal", 2)
    case.equal()
    e2e.check(case.lab("wait", "--timeout", 0, ok=False).returncode == 0, "wait --timeout 0 after wait")


def ending(case):
    """A second lab at the same time, whose `up` is killed halfway; then `down`."""
    with tempfile.TemporaryDirectory() as work:
        lab = os.path.join(work, "lab")
        os.makedirs(lab + "/n1")  # an empty root directory is left as it is
        inode = os.stat(lab + "/n1").st_ino
        up = subprocess.Popen([case.lab_file, "up", "4", "--dir", lab], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        e2e.until(lambda: os.path.exists(lab + "/n2"), "the second lab begins")
        os.kill(up.pid, signal.SIGKILL)
        up.wait()
        e2e.check(os.stat(lab + "/n1").st_ino == inode, "up replaced a root directory")
        if case.is_twin:
            left = leftovers(lab)
            case.lab("down", "--dir", lab)
            case.twin("the second lab was not taken down", lambda: e2e.check(not left, "left: %s", left))
        e2e.check(case.lab("down", "--dir", lab, ok=False).returncode == 0, "down after a killed up")
        e2e.check(not leftovers(lab), "left: %s", leftovers(lab))
    e2e.check(len(case.lab("dirs").stdout.split()) == 3 and all(map(os.path.ismount, case.dirs)),
              "the first lab suffered from the second's end")


def test(case):
    verbs(case)
    ending(case)


e2e.run(test, args=["--pool", "web", "--pool", "second"])
