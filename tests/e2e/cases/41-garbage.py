#!/usr/bin/env python3
"""Garbage, half-open connections and foreign certificates at the port: refused, counted, logged in
few lines; the pool works on meanwhile and no descriptor leaks."""
import os
import socket
import subprocess
import sys

import e2e

PEER = r"""
import os, socket, ssl, sys, time
host, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def connect():
    s = socket.socket(); s.settimeout(10); s.connect((host, 7447)); return s
held = []
for i in range(count):
    s = connect()
    try:
        if kind == "noise":
            s.sendall(os.urandom(4096)); s.recv(1)
        elif kind == "http":
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"); s.recv(1)
        elif kind == "huge":
            s.sendall(b"\x16\x03\x01\xff\xff" + b"\xff" * 65535); s.recv(1)
        elif kind == "close":
            pass
        elif kind == "half":
            held.append(s); continue
        elif kind == "tls":
            c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
            if len(sys.argv) > 4: c.load_cert_chain(sys.argv[4], sys.argv[5])
            t = c.wrap_socket(s); t.sendall(b"\xff" * 100000); t.recv(1); t.close()
    except OSError:
        pass
    s.close()
print("done", flush=True)
if held: sys.stdin.read()
"""


def descriptors(pids):
    return sum(len(os.listdir("/proc/%d/fd" % p)) for p in pids)


def attack(case, kind, count, *more):
    return case.execute(2, sys.executable, "-c", PEER, case.info()["addresses"][0], kind, count, *more)


def test(case):
    import json
    pids = json.loads(case.lab("pids").stdout)[0]
    own = os.path.join(os.getcwd(), "foreign")
    e2e.sh("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", own + ".key", "-out", own + ".crt",
           "-subj", "/CN=foreign", "-days", "9") if os.path.exists("/usr/bin/openssl") else None
    case.equal()
    open_before, log_before = descriptors(pids), case.log_of(1).count("\n")
    refused_before = sum(case.status(1)["refused"].values())
    for kind in ("noise", "http", "huge", "close", "tls"):
        attack(case, kind, 30)
    if os.path.exists(own + ".crt"):
        attack(case, "tls", 30, own + ".crt", own + ".key")

    half = subprocess.Popen([case.lab_file, "exec", "2", "--", sys.executable, "-c", PEER,
                             case.info()["addresses"][0], "half", "200"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    half.stdout.readline()
    for d in case.dirs:  # two hundred open connections that say nothing: work goes on
        e2e.put(d + "/work-" + d.split("/")[-3], e2e.noise(d, 100000))
    case.twin_cut()
    case.equal()
    half.stdin.close()
    half.wait()

    e2e.check(sum(case.status(1)["refused"].values()) > refused_before, "refused connections are not counted: %s",
              case.status(1)["refused"])
    e2e.check(json.loads(case.lab("pids").stdout)[0] == pids, "the daemon of node 1 is another one")
    e2e.until(lambda: descriptors(pids) <= open_before + 4, "descriptors are closed again")
    lines = case.log_of(1).count("\n") - log_before
    e2e.check(lines < 60, "%d lines in the log about 380 bad connections", lines)


e2e.run(test)
