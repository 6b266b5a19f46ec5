"""Trees compared strictly: what two nodes must hold alike, and nothing that may differ.

Compared are names, types, content, size, mode, owner, mtime in nanoseconds, symlink targets, device
numbers, extended attributes, hard link groups, link counts and st_ino. Not compared: atime, ctime,
allocated blocks.
"""
import errno
import hashlib
import os
import stat


def content_of(path):
    """A digest of the content. Blocks of zeros count the same whether they are holes or written."""
    digest, zeros = hashlib.blake2b(digest_size=16), bytes(1 << 20)
    with open(path, "rb", buffering=0) as f:
        at = 0
        while True:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA) & ~((1 << 20) - 1)
            except OSError as e:
                if e.errno == errno.ENXIO:  # only a hole is left
                    return digest.hexdigest()
                raise
            block = os.pread(f.fileno(), 1 << 20, at)
            if not block:
                return digest.hexdigest()
            if block != zeros[:len(block)]:
                digest.update(b"%d:" % at + block)
            at += len(block)


def attributes_of(path):
    """ACLs are attributes too (system.posix_acl_*) and are compared as bytes."""
    out = {}
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if name != "security.selinux":
            out[name] = os.getxattr(path, name, follow_symlinks=False).hex()
    return out


def describe(path, ino):
    """What must be equal about one object, as {field: value}."""
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    out = {"type": {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink",
                    stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device",
                    stat.S_IFBLK: "block device"}[kind],
           "mode": oct(stat.S_IMODE(st.st_mode)), "owner": "%d:%d" % (st.st_uid, st.st_gid),
           "mtime": st.st_mtime_ns, "xattrs": attributes_of(path)}
    if ino:
        out["ino"] = st.st_ino
    if kind != stat.S_IFDIR:
        out["links"] = st.st_nlink
    if kind == stat.S_IFREG:
        out["size"], out["content"] = st.st_size, content_of(path)
    elif kind == stat.S_IFLNK:
        out["target"] = os.readlink(path)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        out["device"] = st.st_rdev
    return out


def names_of(root):
    """All paths below root, relative; root itself is "."."""
    out = ["."]
    todo = [""]
    while todo:
        at = todo.pop()
        with os.scandir(os.path.join(root, at)) as entries:
            for e in entries:
                rel = os.path.join(at, e.name)
                out.append(rel)
                if e.is_dir(follow_symlinks=False):
                    todo.append(rel)
    return sorted(out)


def snapshot(root, ino=True):
    """{relative path: description}, with hard links as the group of paths of one object."""
    tree, groups = {}, {}
    for rel in names_of(root):
        path = os.path.join(root, rel)
        try:
            tree[rel] = describe(path, ino)
            st = os.lstat(path)
        except OSError as e:  # an object that can't be looked at is like no other
            tree[rel] = {"error": "%s %s" % (path, e.strerror)}
            continue
        if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
            groups.setdefault((st.st_dev, st.st_ino), []).append(rel)
    for group in groups.values():
        for rel in group:
            tree[rel]["link group"] = group
    return tree


def differences(a, b, ignore=()):
    """Sentences about what differs between two snapshots."""
    out = []
    for rel in sorted(set(a) | set(b)):
        if rel not in a or rel not in b:
            out.append("%s: only in the %s" % (rel, "first" if rel in a else "second"))
            continue
        for field in sorted(set(a[rel]) | set(b[rel])):
            if field not in ignore and a[rel].get(field) != b[rel].get(field):
                out.append("%s: %s is %s, in the second %s" % (rel, field, a[rel].get(field), b[rel].get(field)))
    return out


def compare(roots, ino=True, ignore=()):
    """Sentences about what differs between the first root and each other."""
    first, out = snapshot(roots[0], ino), []
    for root in roots[1:]:
        out += ["%s: %s" % (root, text) for text in differences(first, snapshot(root, ino), ignore)]
    return out
