#!/usr/bin/env python3
"""Open files are read by the kernel itself (passthrough) or by way of the daemon (page cache), and
requests come by /dev/fuse or over io_uring: what programs see is the same, readers and writers and
mappings of one file agree, and what is stored through a mapping reaches the other node."""
import mmap
import os
import resource
import subprocess
import sys

import e2e

SIZE = 100000


def seen(fd, offset, data, what):
    e2e.until(lambda: os.pread(fd, len(data), offset) == data, what)


def agree(a, b):
    """A reader first, then writers and mappings of the same file, here and there."""
    e2e.put(a + "/f", b"x" * SIZE)
    e2e.until(lambda: os.path.getsize(b + "/f") == SIZE, "the file arrives")
    reader, there = os.open(a + "/f", os.O_RDONLY), os.open(b + "/f", os.O_RDONLY)
    e2e.check(os.pread(reader, 3, SIZE - 3) == b"xxx", "a read")
    shown = mmap.mmap(there, 0, prot=mmap.PROT_READ)
    both = os.open(a + "/f", os.O_RDWR)
    stores = mmap.mmap(both, 0)
    stores[50000:50005] = b"hello"
    e2e.check(os.pread(reader, 5, 50000) == b"hello", "a reader does not see a store")
    e2e.check(os.pread(both, 5, 50000) == b"hello", "the storer's own descriptor does not see it")
    os.pwrite(both, b"WORLD", 50003)
    e2e.check(stores[50000:50010] == b"helWORLDxx", "a mapping does not see a write")
    stores.flush()
    os.fsync(both)
    e2e.until(lambda: shown[50000:50010] == b"helWORLDxx", "store and write arrive, seen through a mapping")
    stores[7:10] = b"end"
    stores.close()
    os.close(both)
    seen(there, 7, b"end", "a store before the last close arrives")
    writer = os.open(b + "/f", os.O_WRONLY)
    os.pwrite(writer, b"peer", 70000)
    seen(reader, 70000, b"peer", "an open reader sees a peer's write")
    os.ftruncate(writer, 5)
    e2e.until(lambda: os.fstat(reader).st_size == 5 and os.pread(reader, 99, 0) == b"xxxxx", "a peer cuts the file")
    os.pwrite(writer, b"longer", 3)
    seen(reader, 0, b"xxxlonger", "a peer makes the file longer")
    e2e.until(lambda: os.lseek(reader, 0, os.SEEK_END) == 9, "the end of the file moves")
    shown.close()
    for fd in (reader, there, writer):
        os.close(fd)


def writer_first(a, b):
    e2e.put(a + "/g", b"y" * SIZE)
    both = os.open(a + "/g", os.O_RDWR)
    reader = os.open(a + "/g", os.O_RDONLY)
    stores = mmap.mmap(both, 0)
    stores[1000:1004] = b"left"
    e2e.check(os.pread(reader, 4, 1000) == b"left", "a reader does not see a store")
    stores.flush()
    e2e.until(lambda: os.path.exists(b + "/g") and e2e.get(b + "/g")[1000:1004] == b"left", "a store arrives")
    stores.close()
    os.close(both)
    os.close(reader)
    with open(a + "/g", "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
        e2e.check(m[1000:1004] == b"left", "a reader afterwards does not see the store")


def many_stores(a, b):
    """Stores in many places, while a peer writes to others of the same blocks."""
    e2e.put(a + "/h", bytes(1 << 20))
    e2e.until(lambda: os.path.exists(b + "/h") and os.path.getsize(b + "/h") == 1 << 20, "the file arrives")
    reader = os.open(a + "/h", os.O_RDONLY)
    both = os.open(a + "/h", os.O_RDWR)
    peer = os.open(b + "/h", os.O_WRONLY)
    with mmap.mmap(both, 0) as m:
        for i in range(0, 1 << 20, 16384):
            m[i:i + 4] = b"here"
        os.fsync(both)
        e2e.until(lambda: e2e.get(b + "/h").count(b"here") == 64, "all stores arrive")
        for i in range(0, 1 << 20, 16384):
            os.pwrite(peer, b"there", i + 100)
        e2e.until(lambda: m[:].count(b"there") == 64, "a mapping sees a peer's writes")
    os.close(both)
    os.close(reader)
    os.close(peer)


def few_descriptors(a):
    """Known files cost no descriptor: more of them than a process may have open."""
    count = 1100
    e2e.make_files(a + "/many", count, 10)
    for i in range(count):
        e2e.check(len(e2e.get("%s/many/f%05d" % (a, i))) == 10, "file %d", i)


def revived(case, a, b):
    """Removed on one node, held open and written on the other while they were cut off."""
    e2e.put(a + "/r", b"first")
    e2e.until(lambda: os.path.exists(b + "/r") and e2e.get(b + "/r") == b"first", "the file arrives")
    reader = os.open(b + "/r", os.O_RDONLY)
    case.lab("cut", 2)
    os.unlink(a + "/r")
    with open(b + "/r", "r+b") as f:
        f.write(b"saved")
    case.lab("heal", 2)
    case.in_sync()
    e2e.check(e2e.get(a + "/r") == b"saved" and e2e.get(b + "/r") == b"saved", "the written file is lost")
    e2e.check(os.pread(reader, 9, 0) == b"saved", "the open file is another")
    os.close(reader)


def in_this_way(case):
    a, b = case.dirs
    agree(a, b)
    writer_first(a, b)
    many_stores(a, b)
    few_descriptors(a)
    revived(case, a, b)


def waiting(a):
    """Calls that wait (fsync) do not keep others from being served, however many there are."""
    code = "import os,sys\nfd=os.open(sys.argv[1],os.O_WRONLY|os.O_CREAT)\n" \
           "for i in range(5): os.write(fd,b'x'*5000); os.fsync(fd)"
    crowd = [subprocess.Popen([sys.executable, "-c", code, "%s/sync%d" % (a, w)]) for w in range(40)]
    for i in range(200):
        e2e.put("%s/beside%d" % (a, i), b"beside")
    e2e.check(all(p.wait() == 0 for p in crowd), "a process that syncs failed")
    e2e.check(all(os.path.getsize("%s/sync%d" % (a, w)) == 25000 for w in range(40)), "a write is lost")


def large(a, b):
    """Requests as large as they can be, at odd places."""
    data = e2e.noise("large", (5 << 20) + 12345)
    e2e.put(a + "/large", data)
    e2e.check(e2e.get(a + "/large") == data, "what was written is not read")
    e2e.until(lambda: e2e.get(b + "/large") == data, "a large file arrives")
    both = os.open(a + "/large", os.O_RDWR)
    for offset, size in ((1, 1 << 20), (4095, (1 << 20) + 1), (3, 3)):
        os.pwrite(both, data[:size], offset)
        e2e.check(os.pread(both, size, offset) == data[:size], "%d bytes at %d", size, offset)
    os.close(both)
    name, value = "user." + "n" * 250, e2e.noise("value", 3000)
    os.setxattr(a + "/large", name, value)
    e2e.check(os.getxattr(a + "/large", name) == value, "a long attribute")
    e2e.put(a + "/" + "n" * 255, b"")
    e2e.check("n" * 255 in os.listdir(a), "a long name")


def kernel_at_least(*wanted):
    return tuple(int(x) for x in os.uname().release.split("-")[0].split(".")[:2]) >= wanted


def in_these(case, passthrough, transport, twin=False):
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    case.up(2, "--set", "passthrough=" + passthrough, "--set", "transport=" + transport)
    found = case.pool(1)
    mode = "passthrough" if passthrough == "on" and kernel_at_least(6, 9) else "page cache"
    e2e.check(found["mount_mode"] == mode, "passthrough = %s: %s", passthrough, found["mount_mode"])
    ring = transport != "dev" and switch() == "Y"
    e2e.check(found["transport"] == ("uring" if ring else "dev"), "transport = %s: %s", transport, found["transport"])
    if twin:
        case.twin_cut()
    in_this_way(case)
    waiting(case.dirs[0])
    large(*case.dirs)
    case.equal()
    case.lab("down")


def switch(to=None):
    """Whether the kernel offers io_uring to new mounts."""
    try:
        with open("/sys/module/fuse/parameters/enable_uring", "r" if to is None else "w") as f:
            return f.read().strip() if to is None else f.write(to)
    except OSError:
        return None


def test(case):
    before = switch()
    in_these(case, "on", "dev")
    in_these(case, "off", "dev", twin=before is None)
    if before is None:
        return
    try:
        switch("Y")
        in_these(case, "on", "auto")
        in_these(case, "off", "uring", twin=True)
    finally:
        switch(before)


e2e.run(test, nodes=0)
