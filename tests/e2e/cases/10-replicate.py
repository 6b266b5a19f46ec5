#!/usr/bin/env python3
"""Every kind of change arrives on all nodes as it is, whichever node makes it."""
import ctypes
import os
import socket
import stat

import e2e

RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
libc = ctypes.CDLL(None, use_errno=True)


def rename2(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def create(r):
    os.makedirs(r + "/d/e/f", mode=0o2750)
    e2e.put(r + "/empty", b"")
    e2e.put(r + "/d/small", b"small")
    e2e.put(r + "/d/e/large", e2e.noise("large", 3 << 20))
    e2e.put(r + "/d/a name with \n and \xc3\xa4 \\ ' \" and spaces", b"x")
    e2e.put(os.path.join(r.encode(), b"d/not utf-8 \xff\xfe"), b"x")
    e2e.put(r + "/" + "n" * 255, b"longest name")
    os.symlink("../nowhere", r + "/d/dangling")
    os.symlink("x" * 4000, r + "/long-link")
    os.mkfifo(r + "/fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as s:
        here = os.open(r, os.O_PATH)
        s.bind("/proc/self/fd/%d/socket" % here)
        os.close(here)
    os.mknod(r + "/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.link(r + "/d/small", r + "/d/e/small-too")
    os.link(r + "/fifo", r + "/fifo-too")


def modify(r):
    with open(r + "/d/e/large", "r+b") as f:
        f.seek(1234567)
        f.write(b"in the middle")
        f.truncate(2 << 20)
        f.seek(5 << 20)
        f.write(b"behind a hole")
    e2e.put(r + "/d/small", b" and more", "ab")
    e2e.put(r + "/d/e/small-too", b" through the other name", "ab")
    fd = os.open(r + "/empty", os.O_RDWR)
    os.posix_fallocate(fd, 0, 10000)
    os.ftruncate(fd, 12345)
    os.close(fd)
    with open(r + "/sparse", "wb") as f:
        f.truncate(1 << 40)
        f.seek(1 << 39)
        f.write(b"lonely")


def attributes(r):
    os.chmod(r + "/d/small", 0o4751)
    os.chmod(r + "/d", 0o3775)
    os.chown(r + "/d/e/large", 1234, 5678)
    os.lchown(r + "/d/dangling", 4321, 8765)
    os.chown(r + "/d/e", 4294967294 - 1, 77)
    os.setxattr(r + "/d/small", "user.text", b"value")
    os.setxattr(r + "/d/small", "user.binary", bytes(range(256)) * 8)
    os.setxattr(r + "/d/small", "user.empty", b"")
    os.setxattr(r + "/d", "user.dir", b"1")
    os.setxattr(r + "/d/small", "trusted.t", b"t")
    os.setxattr(r + "/d/e/large", "user.gone", b"1")
    os.removexattr(r + "/d/e/large", "user.gone")
    os.setxattr(r + "/d/small", "user.text", b"replaced", os.XATTR_REPLACE)
    e2e.sh("setfacl", "-m", "u:1000:rw,d:u:1000:rwx", r + "/d/e/f")
    e2e.put(r + "/d/e/f/inherits", b"acl")
    os.utime(r + "/d/e/large", ns=(1, 1234567890987654321))
    os.utime(r + "/d/dangling", ns=(2, 999999999), follow_symlinks=False)
    os.utime(r + "/empty", ns=(3, -1000000001))
    os.utime(r + "/d/e/f", ns=(4, 4102444800123456789))


def rename(r):
    os.makedirs(r + "/from/deep")
    e2e.make_files(r + "/from/deep", 20, 300)
    e2e.put(r + "/target", b"will be replaced")
    os.rename(r + "/from/deep", r + "/moved")
    os.rename(r + "/moved/f00000", r + "/target")
    os.rename(r + "/moved/f00001", r + "/moved/f00002")
    os.mkdir(r + "/void")
    os.rename(r + "/moved", r + "/void")
    rename2(r + "/void/f00003", r + "/void/new", RENAME_NOREPLACE)
    try:
        rename2(r + "/void/f00004", r + "/void/new", RENAME_NOREPLACE)
        e2e.check(False, "RENAME_NOREPLACE replaced")
    except FileExistsError:
        pass
    rename2(r + "/void/f00005", r + "/from", RENAME_EXCHANGE)
    e2e.check(os.path.isdir(r + "/void/f00005") and os.path.isfile(r + "/from"), "RENAME_EXCHANGE")
    os.link(r + "/void/f00006", r + "/six")
    os.rename(r + "/six", r + "/void/f00006")  # two names of one object: nothing happens
    e2e.check(os.path.exists(r + "/six"), "rename among names of one object")


def remove(r):
    os.unlink(r + "/void/f00006")
    os.unlink(r + "/d/e/small-too")
    os.unlink(r + "/fifo")
    os.rmdir(r + "/void/f00005")
    os.unlink(r + "/d/dangling")
    fd = os.open(r + "/void/f00007", os.O_RDWR)
    os.unlink(r + "/void/f00007")
    os.write(fd, b"written after it has no name")
    os.close(fd)
    e2e.sh("rm", "-rf", r + "/d/e")
    for i in range(200):  # made and gone again before anyone hears of it
        e2e.put(r + "/short-lived", b"x" * i)
        os.unlink(r + "/short-lived")


def holes(case):
    for d in case.dirs:
        blocks = os.stat(d + "/first/sparse").st_blocks
        e2e.check(blocks < 2048, "%s/first/sparse takes %d blocks: its holes were filled", d, blocks)


def test(case):
    for name, k in (("first", 0), ("second", 1), ("third", 2)):
        r = os.path.join(case.dirs[k], name)
        os.mkdir(r)
        for step in (create, modify, attributes, rename):
            step(r)
            case.equal()
        if name == "first":
            holes(case)
    for k in range(3):  # each node removes what the next one made
        remove(os.path.join(case.dirs[k], ("first", "second", "third")[(k + 1) % 3]))
    case.twin_cut()
    case.equal()


e2e.run(test)
