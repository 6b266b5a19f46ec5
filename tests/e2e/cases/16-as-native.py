#!/usr/bin/env python3
"""The rarer file-system calls answer on the mount exactly as on a plain directory of the same disk: the
same table of calls runs on both, line by line the same results; the peer holds the same tree."""
import ctypes
import errno
import mmap
import os
import stat
import struct
import time

import e2e
import tree

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = -100, 0x1000, 0x400
KEEP, PUNCH, COLLAPSE, ZERO, INSERT, UNSHARE = 1, 2, 8, 16, 32, 64
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
TIB = 1 << 40
CLOCK_REALTIME_COARSE = 5
NOBODY, GROUP = 65534, 4242
CAP = bytes([1, 0, 0, 2, 0, 0x20]) + bytes(14)  # cap_net_raw, permitted and effective
USERS = {"root": None, "member": (GROUP, []), "added": (NOBODY, [GROUP]), "other": (NOBODY, [])}


def c_call(name, *args):
    r = getattr(libc, name)(*args)
    if r < 0:
        raise OSError(ctypes.get_errno(), name)
    return r


def fallocate(fd, mode, offset, size):
    c_call("fallocate", fd, mode, ctypes.c_long(offset), ctypes.c_long(size))


def rename(a, b, flags):
    c_call("renameat2", AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), flags)


def link_fd(fd, name, by="proc"):
    if by == "proc":
        c_call("linkat", AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD, os.fsencode(name), AT_SYMLINK_FOLLOW)
    else:
        c_call("linkat", fd, b"", AT_FDCWD, os.fsencode(name), AT_EMPTY_PATH)


class Table:
    """What each call said, in order."""

    def __init__(self, refused):
        self.lines = []
        self.refused = refused  # by the kernel's FUSE: see space()

    def say(self, what, text):
        self.lines.append("%s: %s" % (what, text))

    def call(self, what, fn, *args, **kw):
        try:
            r = fn(*args, **kw)
        except OSError as e:
            self.say(what, errno.errorcode.get(e.errno, e.errno))
            return None
        self.say(what, r)
        return r


def text_of(data):
    """Long contents by their runs of equal bytes."""
    out, at = [], 0
    while at < len(data):
        end = at + 1
        while end < len(data) and data[end] == data[at]:
            end += 1
        out.append("%02x*%d" % (data[at], end - at))
        at = end
    return " ".join(out)


def state(name):
    """All of a file that must be the same everywhere."""
    st = os.lstat(name)
    out = ["%o %d:%d" % (st.st_mode, st.st_uid, st.st_gid)]
    if not stat.S_ISDIR(st.st_mode):
        out.append("links %d" % st.st_nlink)
    if stat.S_ISREG(st.st_mode):
        out.append("size %d" % st.st_size)
    if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        out.append("device %x" % st.st_rdev)
    for key, value in sorted(tree.attributes_of(name).items()):
        out.append("%s=%s" % (key, value))
    return ", ".join(out)


def runs(fd):
    """Data and holes as lseek(2) tells of them."""
    out, at, size = [], 0, os.fstat(fd).st_size
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            out.append(errno.errorcode[e.errno])
            break
        at = os.lseek(fd, start, os.SEEK_HOLE)
        out.append("%d-%d" % (start, at))
    return " ".join(out)


def as_user(who, fn):
    """Runs fn as that user in a process of its own; what it returns or the error's name."""
    got, give = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if USERS[who]:
                os.setgroups(USERS[who][1])
                os.setgid(USERS[who][0])
                os.setuid(NOBODY)
            text = str(fn())
        except OSError as e:
            text = errno.errorcode.get(e.errno, str(e.errno))
        except Exception as e:
            text = repr(e)
        os.write(give, text.encode())
        os._exit(0)
    os.close(give)
    with os.fdopen(got) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return text


# ---- space

def space(t):
    block = 4096
    steps = [("plain", 0, 0, 5 * block), ("keep", KEEP, 3 * block, 20 * block), ("punch", PUNCH | KEEP, block, block),
             ("punch odd", PUNCH | KEEP, 3 * block + 100, 2 * block), ("punch grows", PUNCH, 0, block),
             ("punch behind", PUNCH | KEEP, 100 * block, block), ("zero", ZERO, 10, 3000),
             ("zero grows", ZERO, 7 * block, 2 * block), ("zero keep", ZERO | KEEP, 8 * block, 10 * block),
             ("unshare", UNSHARE, 0, block),
             ("nothing", 0, 0, 0), ("negative", 0, -1, 10), ("too far", 0, (1 << 63) - 10, 9),
             ("unknown", 1 << 20, 0, block)]
    fd = os.open("space", os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(fd, b"x" * (6 * block), 0)
    for what, mode, offset, size in steps:
        t.call("fallocate " + what, fallocate, fd, mode, offset, size)
        t.say("content", text_of(os.pread(fd, 1 << 20, 0)))
        t.say("size", os.fstat(fd).st_size)
        t.say("runs", runs(fd))
    t.call("posix_fallocate", os.posix_fallocate, fd, 0, 20 * block)
    t.say("size", os.fstat(fd).st_size)
    # The kernel's FUSE passes neither on; a plain directory is not asked.
    if t.refused:
        for mode in (COLLAPSE, INSERT):
            try:
                fallocate(fd, mode, block, block)
                e2e.check(False, "fallocate mode %d is there now: compare it", mode)
            except OSError as e:
                e2e.check(e.errno == errno.EOPNOTSUPP, "fallocate mode %d: %s", mode, e)
    os.close(fd)
    fd = os.open("space", os.O_RDONLY)
    t.call("fallocate read only", fallocate, fd, 0, 0, block)
    os.close(fd)
    fd = os.open(".", os.O_RDONLY)
    t.call("fallocate directory", fallocate, fd, 0, 0, block)
    os.close(fd)


def huge(t):
    fd = os.open("huge", os.O_RDWR | os.O_CREAT, 0o644)
    for size in (16 * TIB - 4096, 16 * TIB - 4095, 16 * TIB, 1 << 60):
        t.call("truncate to %d" % size, os.ftruncate, fd, size)
        t.say("size", os.fstat(fd).st_size)
    end = 16 * TIB - 4096
    for at, size in ((end - 1, 1), (end - 10, 100), (end, 1), (8 * TIB, 5), (16 * TIB, 1)):
        t.call("write %d at %d" % (size, at), os.pwrite, fd, b"far away"[:size] * max(1, size // 8), at)
        t.call("read", os.pread, fd, 20, at)
    t.say("runs", runs(fd))
    for offset, whence in ((-1, os.SEEK_DATA), (0, os.SEEK_HOLE), (8 * TIB, os.SEEK_HOLE), (end, os.SEEK_DATA),
                           (end - 1, os.SEEK_HOLE), (1 << 62, os.SEEK_HOLE)):
        t.call("lseek %d %d" % (offset, whence), os.lseek, fd, offset, whence)
    os.close(fd)


def copies(t):
    """copy_file_range and splice: between files, within one, over each other, behind the end, to the end."""
    one = os.open("copy1", os.O_RDWR | os.O_CREAT, 0o644)
    two = os.open("copy2", os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(one, bytes(range(256)) * 40, 0)
    os.ftruncate(one, 1 << 20)
    for what, a, b, size, at, to in (
            ("all", one, two, 1 << 21, 0, 0), ("odd", one, two, 777, 13, 5), ("at the end", one, two, 10, 1 << 20, 0),
            ("behind", one, two, 10, 1 << 30, 0), ("leaves a gap", one, two, 100, 0, 3 << 20),
            ("within", one, one, 100, 0, 5000), ("over itself", one, one, 1000, 0, 500), ("nothing", one, two, 0, 0, 0)):
        t.call("copy_file_range " + what, os.copy_file_range, a, b, size, at, to)
        t.say("size", os.fstat(b).st_size)
        t.say("content", tree.content_of("copy1") + tree.content_of("copy2"))
    append = os.open("copy2", os.O_WRONLY | os.O_APPEND)
    reader = os.open("copy1", os.O_RDONLY)
    writer = os.open("copy1", os.O_WRONLY)
    t.call("copy to append", os.copy_file_range, one, append, 10)
    t.call("copy to reader", os.copy_file_range, one, reader, 10)
    t.call("copy from writer", os.copy_file_range, writer, two, 10)
    got, give = os.pipe()
    t.call("splice out", os.splice, one, give, 3000, 100)
    t.call("splice in", os.splice, got, two, 3000, None, 20)
    t.call("splice to append", os.splice, one, append, 3000)
    t.say("content", tree.content_of("copy2"))
    for fd in (one, two, append, reader, writer, got, give):
        os.close(fd)


# ---- names

def nameless(t):
    """O_TMPFILE: without a name until it gets one."""
    os.mkdir("nameless")
    os.chdir("nameless")
    fd = t.call("no access", lambda: os.open(".", os.O_TMPFILE | os.O_RDONLY, 0o600))
    fd = t.call("on a file", lambda: os.open("../space", os.O_TMPFILE | os.O_RDWR, 0o600))
    before = os.umask(0o027)
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o666)
    os.umask(before)
    t.say("mode, links", "%o %d" % (os.fstat(fd).st_mode, os.fstat(fd).st_nlink))
    t.say("listed", os.listdir("."))
    os.write(fd, b"nameless " * 1000)
    os.ftruncate(fd, 5000)
    fallocate(fd, PUNCH | KEEP, 1000, 1000)
    os.setxattr(fd, "user.kept", b"value")
    os.fchown(fd, 12, 13)
    os.fchmod(fd, 0o751)
    os.utime(fd, ns=(5, 1234567890123456789))
    os.fsync(fd)
    t.say("stat", "%o %d:%d %d" % (os.fstat(fd).st_mode, os.fstat(fd).st_uid, os.fstat(fd).st_gid,
                                   os.fstat(fd).st_size))
    t.say("mtime", os.fstat(fd).st_mtime_ns)
    with mmap.mmap(fd, 5000) as m:
        m[4000:4006] = b"mapped"
    t.say("content", text_of(os.pread(fd, 9999, 0)))
    t.call("link", link_fd, fd, "named")
    t.say("named", state("named"))
    t.say("same", os.fstat(fd).st_ino == os.stat("named").st_ino)
    os.pwrite(fd, b"afterwards", 4990)
    t.say("content", tree.content_of("named"))
    t.call("link again", link_fd, fd, "named too", "fd")
    t.say("named", state("named too"))
    t.call("link over", link_fd, fd, "named")
    os.unlink("named")
    os.unlink("named too")
    t.call("link what lost its names", link_fd, fd, "late")
    os.close(fd)
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
    os.write(fd, b"private")
    t.call("link one that shall have none", link_fd, fd, "exclusive")
    again = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY)
    os.close(fd)
    t.say("opened again", os.read(again, 100))
    os.close(again)
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o644)
    os.write(fd, b"by descriptor")
    t.call("link by descriptor", link_fd, fd, "empty path", "fd")
    os.close(fd)
    t.say("named", tree.content_of("empty path"))
    os.setxattr(".", "system.posix_acl_default", ACL)
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o666)
    link_fd(fd, "inherits")
    os.close(fd)
    os.removexattr(".", "system.posix_acl_default")
    t.say("inherits", state("inherits"))
    os.mkdir("theirs", 0o777)
    os.chmod("theirs", 0o2777)
    os.chown("theirs", 0, GROUP)

    def other():
        mine = os.open("theirs", os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(mine, b"theirs")
        link_fd(mine, "theirs/file")
        return state("theirs/file")

    t.say("by another user", as_user("other", other))
    os.mkdir("closed", 0o755)
    t.say("where one may not write", as_user("other", lambda: os.open("closed", os.O_TMPFILE | os.O_RDWR, 0o640)))
    os.chdir("..")


def renames(t):
    os.mkdir("renames")
    os.chdir("renames")
    for name in ("a", "b"):
        e2e.put(name, name.encode())
    for name in ("d", "d/sub", "e", "sticky"):
        os.mkdir(name)
    os.link("a", "a2")
    cases = [("a", "b", NOREPLACE), ("a", "new", NOREPLACE), ("new", "b", EXCHANGE), ("new", "none", EXCHANGE),
             ("new", "d", EXCHANGE), ("d", "d/sub", EXCHANGE), ("d/sub", "d", EXCHANGE), ("e", "new", EXCHANGE),
             ("new", "b", EXCHANGE | NOREPLACE), ("new", "b", EXCHANGE | WHITEOUT), ("new", "b", 64),
             ("b", "b", 0), ("b", "b", EXCHANGE), ("b", "b", NOREPLACE), ("a2", "new", 0), ("new", "a2", EXCHANGE),
             ("b", "white", WHITEOUT), ("white", "a2", WHITEOUT), ("none", "x", WHITEOUT), ("d", "d2", WHITEOUT),
             ("a2", "only", WHITEOUT | NOREPLACE), ("only", "d2", WHITEOUT | NOREPLACE), ("only", "d2", WHITEOUT)]
    for a, b, flags in cases:
        t.call("rename %s %s %d" % (a, b, flags), rename, a, b, flags)
        t.say("now", "; ".join("%s %s" % (n, state(n)) for n in sorted(os.listdir("."))))
    os.chdir("..")


def names(t):
    """Every byte but slash and zero, names of 255 bytes, too long ones."""
    os.mkdir("names")
    where = os.open("names", os.O_RDONLY)
    every = [bytes([b]) for b in range(1, 256) if b not in b"/."]
    long = [bytes([b]) * 255 for b in (1, 10, 0x20, 0x7f, 0x80, 0xc3, 0xff)]
    mixed = [bytes((i * 7 + k) % 255 + 1 for i in range(255)).replace(b"/", b"-") for k in range(20)]
    for name in every + long + mixed:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=where))
    t.say("listed", sorted(os.listdir(b"names")))
    for k, name in enumerate(long):
        os.rename(name, mixed[k][::-1], src_dir_fd=where, dst_dir_fd=where)
        os.symlink(name * 4, name, dir_fd=where)
        os.link(mixed[k], name[:254] + b"l", src_dir_fd=where, dst_dir_fd=where)
    t.say("listed", sorted(os.listdir(b"names")))
    for name in (b"x" * 256, b"x" * 4095, b"x" * 5000, b"\xff" * 256):
        t.call("create %d" % len(name), lambda n=name: os.open(n, os.O_WRONLY | os.O_CREAT, dir_fd=where))
        t.call("mkdir %d" % len(name), os.mkdir, name, dir_fd=where)
        t.call("unlink %d" % len(name), os.unlink, name, dir_fd=where)
        t.call("rename %d" % len(name), os.rename, b"a", name, src_dir_fd=where, dst_dir_fd=where)
        t.call("link %d" % len(name), os.link, b"a", name, src_dir_fd=where, dst_dir_fd=where)
    for size in (4094, 4095, 4096):
        t.call("symlink to %d" % size, os.symlink, b"t" * size, b"to-%d" % size, dir_fd=where)
    t.say("target", len(os.readlink(b"to-4095", dir_fd=where)))
    os.close(where)


# ---- rights

def acl(*entries):
    tags = {"u": 1, "U": 2, "g": 4, "G": 8, "m": 16, "o": 32}
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tags[e[0]], e[1], e[2] if len(e) > 2 else 0xffffffff)
                                            for e in entries)


ACL = acl(("u", 7), ("U", 6, 1000), ("U", 7, 1001), ("g", 5), ("G", 7, GROUP), ("m", 7), ("o", 4))
SMALL = acl(("u", 6), ("g", 4), ("o", 0))


def inherit(t):
    """Default access lists: what comes of them under each mode and umask, and where they go."""
    for k, default in enumerate((ACL, SMALL, acl(("u", 5), ("U", 7, 5), ("g", 7), ("m", 1), ("o", 2)))):
        top = "inherit%d" % k
        os.mkdir(top)
        t.call("default list", os.setxattr, top, "system.posix_acl_default", default)
        for umask in (0, 0o22, 0o777):
            before = os.umask(umask)
            for mode in (0o777, 0o640, 0o4711, 0o2000, 0):
                name = "%s/%o-%o" % (top, umask, mode)
                os.close(os.open(name + "f", os.O_WRONLY | os.O_CREAT, mode))
                os.mkdir(name + "d", mode)
                os.mkfifo(name + "p", mode)
                os.mknod(name + "c", stat.S_IFCHR | mode, os.makedev(1, 3))
            os.umask(before)
        os.symlink("x", top + "/s")
        os.mkdir(top + "/0-777d/deep")
        e2e.put(top + "/0-777d/deep/er", b"x")
        t.call("removed", os.removexattr, top, "system.posix_acl_default")
        e2e.put(top + "/without", b"x")
        for name in tree.names_of(top):
            t.say(name, state(os.path.join(top, name)))


def lists(t):
    """Access lists are modes and modes are access lists."""
    e2e.put("acl", b"x")
    for value in (ACL, SMALL, b"", b"junk", ACL[:-1], acl(("u", 7), ("g", 5)), acl(("U", 7, 1), ("u", 7), ("g", 1), ("o", 1)),
                  acl(("u", 7), ("U", 6, 1), ("g", 5), ("o", 4)), acl(("u", 9), ("g", 5), ("o", 4)),
                  struct.pack("<I", 3) + ACL[4:]):
        t.call("set access", os.setxattr, "acl", "system.posix_acl_access", value)
        t.say("now", state("acl"))
        t.call("set default", os.setxattr, "acl", "system.posix_acl_default", value)
    os.setxattr("acl", "system.posix_acl_access", ACL)
    for mode in (0o600, 0o070, 0o4777, 0o2070, 0):
        os.chmod("acl", mode)
        t.say("mode %o" % mode, state("acl"))
    t.call("removed", os.removexattr, "acl", "system.posix_acl_access")
    t.call("removed again", os.removexattr, "acl", "system.posix_acl_access")
    t.say("now", state("acl"))
    os.mkdir("acldir")
    for name in ("access", "default"):
        t.call("directory", os.setxattr, "acldir", "system.posix_acl_" + name, ACL)
    t.call("mode", os.chmod, "acldir", 0o2750)
    t.say("now", state("acldir"))
    os.chown("acl", NOBODY, GROUP)
    for who in ("member", "other"):
        os.chmod("acl", 0o2771)
        t.say(who + " sets a list", as_user(who, lambda: os.setxattr("acl", "system.posix_acl_access", ACL)))
        t.say("now", state("acl"))
    os.chown("acl", 0, 0)
    t.say("not the owner", as_user("other", lambda: os.setxattr("acl", "system.posix_acl_access", ACL)))
    os.symlink("acl", "acl-s")
    t.call("a symlink's list", os.setxattr, "acl-s", "system.posix_acl_access", ACL, follow_symlinks=False)


def attributes(t):
    e2e.put("attrs", b"x")
    os.mkdir("attrs-dir")
    os.symlink("attrs", "attrs-s")
    os.mkfifo("attrs-p")
    os.mknod("attrs-c", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    spaces = ("user.a", "trusted.a", "security.a", "security.capability", "system.a", "none.a", "user.", "user", "",
              "trusted.", "user." + "n" * 250, "user." + "n" * 251, "trusted.\xff\xfe", "trusted.overlay.opaque",
              "security.ima")
    for name in ("attrs", "attrs-dir", "attrs-s", "attrs-p", "attrs-c"):
        for space_ in spaces:
            key = os.fsdecode(space_.encode("latin-1"))
            what = "%s %s" % (name, space_[:40])
            t.call("set " + what, os.setxattr, name, key, b"value", follow_symlinks=False)
            t.call("get " + what, os.getxattr, name, key, follow_symlinks=False)
            t.call("replace " + what, os.setxattr, name, key, b"", os.XATTR_REPLACE, follow_symlinks=False)
            t.call("create " + what, os.setxattr, name, key, b"v", os.XATTR_CREATE, follow_symlinks=False)
        t.say("list " + name, sorted(os.listxattr(name, follow_symlinks=False)))
    for size in (1000, 3000, 5000, 65536, 65537):
        t.call("value of %d" % size, os.setxattr, "attrs", "user.big", b"v" * size)
    os.chmod("attrs", 0o666)
    for who in ("other", "root"):
        for space_ in ("user.b", "trusted.b", "security.b", "security.capability"):
            t.say("%s sets %s" % (who, space_), as_user(who, lambda: os.setxattr("attrs", space_, b"x")))
        t.say(who + " lists", as_user(who, lambda: sorted(os.listxattr("attrs"))))
    os.chmod("attrs", 0o600)
    t.say("other reads", as_user("other", lambda: os.getxattr("attrs", "user.a")))


def mapped(fd):
    with mmap.mmap(fd, 1) as m:
        m[0:1] = b"m"


def privileges(t):
    """Which calls take setuid, setgid and capabilities away, by whom, under which modes. (Not a chown to
    -1, -1: FUSE can't tell it from the beginning of a write.)"""
    def opened(fn, flags=os.O_RDWR):
        def run():
            fd = os.open("priv", flags)
            try:
                return fn(fd)
            finally:
                os.close(fd)
        return run

    e2e.put("source", b"source")
    os.chmod("source", 0o644)
    calls = [("write", opened(lambda fd: os.write(fd, b"w"))),
             ("write nothing", opened(lambda fd: os.write(fd, b""))),
             ("append", opened(lambda fd: os.write(fd, b"a"), os.O_WRONLY | os.O_APPEND)),
             ("truncate", lambda: os.truncate("priv", 10)),
             ("truncate the same", lambda: os.truncate("priv", 20)),
             ("ftruncate", opened(lambda fd: os.ftruncate(fd, 30))),
             ("open truncating", opened(lambda fd: None, os.O_WRONLY | os.O_TRUNC)),
             ("create truncating", opened(lambda fd: None, os.O_WRONLY | os.O_TRUNC | os.O_CREAT)),
             ("allocate", opened(lambda fd: fallocate(fd, 0, 0, 100))),
             ("allocate beyond", opened(lambda fd: fallocate(fd, KEEP, 100, 100))),
             ("punch", opened(lambda fd: fallocate(fd, PUNCH | KEEP, 0, 4096))),
             ("zero", opened(lambda fd: fallocate(fd, ZERO, 0, 4096))),
             ("copy", opened(lambda fd: os.copy_file_range(os.open("source", os.O_RDONLY), fd, 5))),
             ("mapping", opened(mapped)),
             ("chown the same", lambda: os.chown("priv", os.stat("priv").st_uid, os.stat("priv").st_gid)),
             ("chown group", lambda: os.chown("priv", -1, GROUP)),
             ("chmod", lambda: os.chmod("priv", 0o6755)),
             ("utime", lambda: os.utime("priv")),
             ("link", lambda: os.link("priv", "priv2")),
             ("attribute", lambda: os.setxattr("priv", "user.x", b"x"))]
    os.mkdir("privs", 0o777)
    os.chmod("privs", 0o777)
    os.chdir("privs")
    os.rename("../source", "source")
    for owner in (0, NOBODY):
        for mode in (0o6777, 0o6766, 0o2767, 0o4676):
            for who in USERS:
                for what, fn in calls:
                    e2e.put("priv", b"x" * 20)
                    os.chown("priv", owner, GROUP)
                    os.chmod("priv", mode)
                    os.setxattr("priv", "security.capability", CAP)
                    t.say("%s, %o of %d, %s" % (who, mode, owner, what), as_user(who, fn))
                    t.say("now", state("priv"))
                    for name in ("priv", "priv2"):
                        if os.path.exists(name):
                            os.unlink(name)
    for make in (os.mkfifo, os.mkdir, lambda name: os.mknod(name, stat.S_IFCHR, os.makedev(1, 3))):
        for mode in (0o6777, 0o2767):
            for who, owner, group in (("root", 1, 1), ("added", NOBODY, GROUP), ("added", -1, GROUP)):
                make("special")
                os.chown("special", NOBODY, GROUP + 1)
                os.chmod("special", mode)
                t.say("%s gives it to %d:%d" % (who, owner, group), as_user(who, lambda: os.chown("special", owner, group)))
                t.say("now", state("special"))
                (os.rmdir if os.path.isdir("special") else os.unlink)("special")
    os.chdir("..")


def times(t):
    """Which calls move which times."""
    def opened(fn, flags=os.O_RDWR):
        def run():
            fd = os.open("f", flags)
            try:
                fn(fd)
            finally:
                os.close(fd)
        return run

    os.mkdir("times")
    os.chdir("times")
    calls = [("write", opened(lambda fd: os.write(fd, b"w"))), ("write nothing", opened(lambda fd: os.write(fd, b""))),
             ("truncate", lambda: os.truncate("f", 3)), ("truncate the same", lambda: os.truncate("f", 9)),
             ("ftruncate the same", opened(lambda fd: os.ftruncate(fd, 9))),
             ("open truncating", opened(lambda fd: None, os.O_RDWR | os.O_TRUNC)),
             ("allocate", opened(lambda fd: fallocate(fd, 0, 0, 4096))),
             ("allocate keep", opened(lambda fd: fallocate(fd, KEEP, 8192, 4096))),
             ("punch", opened(lambda fd: fallocate(fd, PUNCH | KEEP, 0, 5))),
             ("zero", opened(lambda fd: fallocate(fd, ZERO, 0, 5))),
             ("chmod", lambda: os.chmod("f", 0o640)), ("chmod the same", lambda: os.chmod("f", 0o644)),
             ("chown", lambda: os.chown("f", 1, 1)),
             ("attribute", lambda: os.setxattr("f", "user.x", b"x")), ("link", lambda: os.link("f", "g")),
             ("rename", lambda: os.rename("f", "g")), ("unlink", lambda: os.unlink("f")),
             ("make", lambda: os.mkdir("d")), ("mapping", opened(mapped)), ("utime", lambda: os.utime("f", ns=(7, 8))),
             ("utime atime", lambda: os.utime("f", ns=(9, os.stat("f").st_mtime_ns))),
             ("utime now", lambda: os.utime("f")), ("symlink", lambda: os.symlink("f", "s"))]
    for what, fn in calls:
        e2e.put("f", b"x" * 9)
        os.chmod("f", 0o644)
        os.utime("f", ns=(10**18, 10**18))
        os.utime(".", ns=(10**18, 10**18))
        fd = os.open("f", os.O_RDONLY)
        before, dir_before = os.fstat(fd), os.stat(".")
        end = before.st_ctime_ns
        while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) <= end:
            pass  # the times of files come from this clock
        t.call(what, fn)
        after, dir_after = os.fstat(fd), os.stat(".")
        moved = [name for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")
                 if getattr(before, name) != getattr(after, name)]
        dir_moved = [name for name in ("st_mtime_ns", "st_ctime_ns") if getattr(dir_before, name) != getattr(dir_after, name)]
        t.say("moved", "%s; directory: %s" % (moved, dir_moved))
        os.close(fd)
        for name in os.listdir("."):
            (os.rmdir if name == "d" else os.unlink)(name)
    os.chdir("..")


def table(where, refused=False):
    t, home = Table(refused), os.getcwd()
    os.chdir(where)
    os.umask(0o022)
    try:
        for part in (space, huge, copies, nameless, renames, names, inherit, lists, attributes, privileges, times):
            t.say("part", part.__name__)
            try:
                part(t)
            except OSError as e:
                t.say("ended", e)
                os.chdir(where)
                os.umask(0o022)
    finally:
        os.chdir(home)
    return t.lines


def parts(lines):
    out = {}
    for line in lines:
        if line.startswith("part: "):
            now = out.setdefault(line, [])
        else:
            now.append(line)
    return out


def differences(ours, theirs):
    out, native = [], parts(theirs)
    for part, lines in parts(ours).items():
        for at, (a, b) in enumerate(zip(lines, native[part])):
            if a != b:
                out.append("%s, after \"%s\": %s, native %s" % (part, lines[at - 1][:100], a[:400], b[:400]))
        if len(lines) != len(native[part]):
            out.append("%s: %d lines, native %d" % (part, len(lines), len(native[part])))
    return out


def same(case):
    a, b = case.dirs
    for where in (os.path.join(os.getcwd(), "native"), a + "/table"):
        os.mkdir(where)
        os.chmod(where, 0o755)
    native = table(os.path.join(os.getcwd(), "native"))
    e2e.check(not any(line.startswith("ended") for line in native), "the table is not whole on a plain directory")
    case.twin("node 1's mount is read-only", lambda: e2e.sh("mount", "-o", "remount,bind,ro", a))
    ours = table(a + "/table", refused=True)
    found = differences(ours, native)
    e2e.check(not found, "%d lines differ:\n  %s", len(found), "\n  ".join(found[:int(os.environ.get("SHOW", 12))]))
    found = tree.compare(["native", a + "/table"], ino=False, ignore=("mtime",))
    e2e.check(not found, "the tree is not the native one:\n  %s", "\n  ".join(found[:12]))
    case.equal()


if __name__ == "__main__":
    e2e.run(same, nodes=2)
