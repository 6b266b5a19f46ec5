#!/usr/bin/env python3
"""Large writes go to the disk of each node once, and over each link once. What fsync answered for is there
after the daemon was killed in the middle of the next write; after a power cut that took pages of a large
file, those come back from a peer, and not the whole file."""
import os
import threading

import e2e

MEGA = 1 << 20
SIZE = 96 * MEGA


def disk_written(case, k):
    """Bytes that the processes of node k have given to files."""
    import json
    pids = json.loads(case.lab("pids").stdout)[k - 1]
    found = 0
    for pid in pids:
        try:
            with open("/proc/%d/io" % pid) as f:
                found += sum(int(line.split()[1]) for line in f if line.startswith("wchar"))
        except OSError:
            pass
    return found


def write_large(path, tag, size=SIZE, offset=0):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    for at in range(offset, offset + size, MEGA):
        os.pwrite(fd, e2e.noise("%s%d" % (tag, at), min(MEGA, offset + size - at)), at)
    os.fsync(fd)
    os.close(fd)


def expect(path, tag, size=SIZE, offset=0):
    fd = os.open(path, os.O_RDONLY)
    for at in range(offset, offset + size, MEGA):
        n = min(MEGA, offset + size - at)
        e2e.check(os.pread(fd, n, at) == e2e.noise("%s%d" % (tag, at), n), "%s differs at %d", path, at)
    os.close(fd)


def once(case):
    before = [disk_written(case, k) for k in (1, 2, 3)]
    sent = case.sent_by_all()
    write_large(case.dirs[0] + "/large", "first")
    case.in_sync()
    for k in (1, 2, 3):
        expect(case.dirs[k - 1] + "/large", "first")
    # To files, sockets and the kernel; a journal with the bytes in it would be one more of them.
    wrote = [disk_written(case, k) - b for k, b in zip((1, 2, 3), before)]
    e2e.check(wrote[1] < 1.5 * SIZE, "a peer wrote %d bytes for %d", wrote[1], SIZE)
    e2e.check(case.sent_by_all() - sent < 2.2 * SIZE, "%d bytes sent", case.sent_by_all() - sent)


def killed(case):
    path = case.dirs[0] + "/killed"
    write_large(path, "kept", 16 * MEGA)
    go = threading.Event()

    def writer():
        try:
            fd = os.open(path, os.O_WRONLY)
            for i in range(100000):
                os.pwrite(fd, e2e.noise("more", MEGA), 16 * MEGA + i % 64 * MEGA)
                if i == 20:
                    go.set()
        except OSError:
            go.set()

    thread = threading.Thread(target=writer, daemon=True)
    thread.start()
    go.wait(60)
    case.lab("kill", 1)
    thread.join(60)
    e2e.check(not thread.is_alive(), "a writer hangs on a dead mount")
    case.lab("start", 1)
    case.equal()
    for d in case.dirs:
        expect(d + "/killed", "kept", 16 * MEGA)


def power_cut(case):
    """Node 1 forgets pages that the journal names: as if they had not reached the disk."""
    state = case.root(1, "var/lib/multiall/pools/web")
    write_large(case.dirs[0] + "/large", "second", 8 * MEGA, 40 * MEGA)
    case.in_sync()
    case.lab("kill", 1)
    backing = os.open(state + "/tree/large", os.O_WRONLY)
    for at in (41 * MEGA, 43 * MEGA + 4096, 46 * MEGA + 8192):
        os.pwrite(backing, bytes(300000), at)
    os.close(backing)
    with open(state + "/running", "wb") as f:
        f.write(b"another boot")
    received = case.wire()[0]["rx"]
    case.lab("start", 1)
    case.twin_cut()
    case.equal()
    for d in case.dirs:
        expect(d + "/large", "second", 8 * MEGA, 40 * MEGA)
        expect(d + "/large", "first", 40 * MEGA)
    received = case.wire()[0]["rx"] - received
    e2e.check(received < SIZE / 4, "%d bytes received for three lost stretches", received)


def test(case):
    once(case)
    killed(case)
    power_cut(case)


e2e.run(test)
