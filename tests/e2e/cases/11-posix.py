#!/usr/bin/env python3
"""The mount behaves as a local file system: mappings, appends, open files without a name, locks,
errors; and the caches of one node follow what another node does."""
import errno
import fcntl
import mmap
import os
import struct
import subprocess
import sys

import e2e


def expect(code, fn, *args, **kw):
    try:
        fn(*args, **kw)
    except OSError as e:
        e2e.check(e.errno == code, "%s%s: %s instead of %s", fn.__name__, args, e, errno.errorcode[code])
        return
    e2e.check(False, "%s%s: no error instead of %s", fn.__name__, args, errno.errorcode[code])


def mappings(a, b, case):
    e2e.put(a + "/map", b"\0" * 100000)
    with open(a + "/map", "r+b") as f:
        with mmap.mmap(f.fileno(), 0) as m:
            m[50000:50006] = b"mapped"
            m.flush()
            e2e.check(os.pread(f.fileno(), 6, 50000) == b"mapped", "read does not see the mapping")
        os.fsync(f.fileno())
    e2e.until(lambda: e2e.get(b + "/map")[50000:50006] == b"mapped", "a store through a mapping arrives")


def same_page(a, b):
    """A page that a program here has stored to while another node wrote to other bytes of it: all survive."""
    e2e.put(a + "/page", bytes(8192))
    e2e.until(lambda: os.path.exists(b + "/page") and e2e.get(b + "/page") == bytes(8192), "the pages arrive")
    there = os.open(b + "/page", os.O_WRONLY)
    with open(a + "/page", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        for i in range(1, 40):
            at = i * 97
            m[at] = i
            os.pwrite(there, b"B%03d" % i, at + 40)
            e2e.until(lambda: m[at + 40:at + 44] == b"B%03d" % i, "the mapping sees what the other node wrote")
            e2e.check(m[at] == i, "a store to the page of another node's write %d is lost", i)
            e2e.until(lambda: e2e.get(b + "/page") == m[:], "both nodes have both, round %d" % i)
        e2e.check(all(m[i * 97] == i and m[i * 97 + 40:i * 97 + 44] == b"B%03d" % i for i in range(1, 40)), "bytes are lost")
    os.close(there)
    e2e.check(not any("conflict" in name for name in os.listdir(a)), "a conflict: %s", os.listdir(a))


def appends(a):
    """Many processes append to one file: no line is lost or torn."""
    code = "import os,sys\nfd=os.open(sys.argv[1],os.O_WRONLY|os.O_APPEND|os.O_CREAT)\n" \
           "for i in range(200): os.write(fd,(sys.argv[2]+' %d\\n'%i).encode())"
    crowd = [subprocess.Popen([sys.executable, "-c", code, a + "/log", str(w)]) for w in range(4)]
    e2e.check(all(p.wait() == 0 for p in crowd), "an appender failed")
    lines = e2e.get(a + "/log").decode().splitlines()
    e2e.check(sorted(lines) == sorted("%d %d" % (w, i) for w in range(4) for i in range(200)), "appends were lost")


def nameless(a, b):
    """A file that is open while it is unlinked, here and by another node."""
    e2e.put(a + "/open", b"still here")
    e2e.until(lambda: e2e.get(b + "/open") == b"still here", "the file arrives")
    here, there = os.open(a + "/open", os.O_RDWR), os.open(b + "/open", os.O_RDONLY)
    os.unlink(a + "/open")
    e2e.until(lambda: not os.path.exists(b + "/open"), "the unlink arrives")
    e2e.check(os.pread(here, 99, 0) == b"still here" and os.fstat(here).st_nlink == 0, "unlinked here")
    e2e.check(os.pread(there, 99, 0) == b"still here", "unlinked by the other node")
    os.write(here, b"STILL")
    e2e.check(os.pread(here, 99, 0) == b"STILL here", "a write to a file without a name")
    os.close(here)
    os.close(there)


def locks(a):
    e2e.put(a + "/lock", b"")
    code = "import fcntl,os,sys\nfd=os.open(sys.argv[1],os.O_RDWR)\n" \
           "try: getattr(fcntl,sys.argv[2])(fd,fcntl.LOCK_EX|fcntl.LOCK_NB)\nexcept OSError: sys.exit(9)"
    for kind in ("flock", "lockf"):
        fd = os.open(a + "/lock", os.O_RDWR)
        getattr(fcntl, kind)(fd, fcntl.LOCK_EX)
        other = [sys.executable, "-c", code, a + "/lock", kind]
        e2e.check(subprocess.run(other).returncode == 9, "%s: two hold an exclusive lock", kind)
        os.close(fd)
        e2e.check(subprocess.run(other).returncode == 0, "%s: a closed file still holds its lock", kind)


def errors(a):
    os.makedirs(a + "/dir/full")
    e2e.put(a + "/file", b"x")
    expect(errno.ENOENT, os.stat, a + "/nothing")
    expect(errno.EEXIST, os.mkdir, a + "/dir")
    expect(errno.ENOTEMPTY, os.rmdir, a + "/dir")
    expect(errno.ENOTDIR, os.stat, a + "/file/x")
    expect(errno.EISDIR, os.open, a + "/dir", os.O_WRONLY)
    expect(errno.ENOTDIR, os.rmdir, a + "/file")
    expect(errno.EINVAL, os.rename, a + "/dir", a + "/dir/full/x")
    expect(errno.ENOTDIR, os.rename, a + "/dir", a + "/file")
    expect(errno.EISDIR, os.rename, a + "/file", a + "/dir")
    expect(errno.ENAMETOOLONG, os.stat, a + "/" + "n" * 256)
    expect(errno.ENODATA, os.getxattr, a + "/file", "user.none")
    expect(errno.EEXIST, os.open, a + "/file", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    expect(errno.ELOOP, os.open, "%s/%s" % (a, make_link(a)), os.O_RDONLY | os.O_NOFOLLOW)
    expect(errno.EPERM, os.link, a + "/dir", a + "/dir-too")


def make_link(a):
    os.symlink("file", a + "/link")
    return "link"


def permissions(a):
    """default_permissions: another user is held to mode and ACL."""
    e2e.put(a + "/secret", b"x")
    os.chmod(a + "/secret", 0o600)
    os.mkdir(a + "/sticky")
    os.chmod(a + "/sticky", 0o1777)
    e2e.put(a + "/sticky/mine", b"x")
    as_user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    e2e.check(e2e.sh(*as_user, "cat", a + "/secret", ok=False).returncode != 0, "mode 0600 does not protect")
    e2e.check(e2e.sh(*as_user, "rm", "-f", a + "/sticky/mine", ok=False).returncode != 0, "the sticky bit does not protect")
    e2e.sh(*as_user, "touch", a + "/sticky/theirs")
    st = os.stat(a + "/sticky/theirs")
    e2e.check((st.st_uid, st.st_gid) == (12345, 12345), "a new file belongs to %d:%d", st.st_uid, st.st_gid)
    os.chmod(a + "/sticky/theirs", 0o4777)
    e2e.sh(*as_user, "sh", "-c", "echo x >>%s/sticky/theirs" % a)
    e2e.check(os.stat(a + "/sticky/theirs").st_mode & 0o4000 == 0, "a write by another left the setuid bit")
    e2e.sh("setfacl", "-m", "u:12345:r", a + "/secret")
    e2e.sh(*as_user, "cat", a + "/secret")


def caches(a, b):
    """What node b has cached follows node a: content, size, attributes, names, absence."""
    e2e.put(a + "/c", b"one")
    e2e.until(lambda: e2e.get(b + "/c") == b"one", "first content")
    fd = os.open(b + "/c", os.O_RDONLY)
    e2e.check(os.pread(fd, 99, 0) == b"one" and not os.path.exists(b + "/new"), "caches filled")
    e2e.put(a + "/c", b"two and longer")
    e2e.until(lambda: os.pread(fd, 99, 0) == b"two and longer", "an open descriptor sees the new content")
    e2e.until(lambda: os.stat(b + "/c").st_size == 14, "stat sees the new size")
    os.chmod(a + "/c", 0o640)
    e2e.until(lambda: os.fstat(fd).st_mode & 0o777 == 0o640, "an open descriptor sees the new mode")
    e2e.put(a + "/new", b"")
    e2e.until(lambda: os.path.exists(b + "/new"), "a name that was absent appears")
    e2e.until(lambda: "new" in os.listdir(b), "the listing has the new name")
    os.rename(a + "/c", a + "/c2")
    e2e.until(lambda: not os.path.exists(b + "/c") and os.path.exists(b + "/c2"), "a renamed name")
    os.close(fd)
    with open(b + "/c2", "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
        e2e.check(m[:3] == b"two", "a mapping")
        with open(a + "/c2", "r+b") as g:
            g.write(b"six")
        e2e.until(lambda: m[:3] == b"six", "a mapping sees the new content")


def totals(a):
    v = os.statvfs(a)
    e2e.check(v.f_blocks > 0 and v.f_bavail > 0 and v.f_namemax == 255, "statvfs: %s", v)
    e2e.check(struct.unpack("q", struct.pack("q", v.f_files))[0] > 0, "statvfs: %s", v)


def listing(a):
    """A large directory is listed whole, also while it changes."""
    e2e.make_files(a + "/many", 3000, 0)
    e2e.check(len(os.listdir(a + "/many")) == 3000, "3,000 names")
    with os.scandir(a + "/many") as entries:
        seen = set()
        for at, e in enumerate(entries):
            seen.add(e.name)
            if at == 100:
                for i in range(0, 1000):
                    os.rename("%s/many/f%05d" % (a, i), "%s/many/g%05d" % (a, i))
    e2e.check({"f%05d" % i for i in range(1000, 3000)} <= seen, "a listing lost names that were never touched")
    e2e.sh("rm", "-r", a + "/many")


def reserved(a):
    """Our own name is neither shown nor to be touched."""
    e2e.check(".multiall" not in os.listdir(a), ".multiall is shown")
    e2e.check(not any("multiall" in n for n in os.listxattr(a + "/file")), "our attributes are shown")


def test(case):
    a, b = case.dirs
    mappings(a, b, case)
    same_page(a, b)
    appends(a)
    nameless(a, b)
    locks(a)
    errors(a)
    permissions(a)
    caches(a, b)
    totals(a)
    listing(a)
    reserved(a)
    case.twin_cut()
    case.equal()


e2e.run(test, nodes=2)
