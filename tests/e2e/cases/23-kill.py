#!/usr/bin/env python3
"""SIGKILL under load, several times: what was acknowledged is there, on the node itself at once and
on the others soon; the trees come out equal."""
import os
import threading

import e2e


class Writer(threading.Thread):
    """Creates files with fsync, appends to a log with fsync, renames; remembers what was acknowledged."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.enough = root, threading.Event()
        self.files, self.lines, self.renamed, self.ended = [], 0, [], None

    def run(self):
        try:
            log = os.open(self.root + "/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for i in range(1000000):
                path = "%s/f%06d" % (self.root, i)
                with open(path, "wb") as f:
                    f.write(e2e.noise(i, 1000 + i % 9000))
                    f.flush()
                    os.fsync(f.fileno())
                self.files.append(i)
                if i % 5 == 4:
                    os.rename(path, path + "r")
                    d = os.open(self.root, os.O_RDONLY)
                    os.fsync(d)
                    os.close(d)
                    self.renamed.append(i)
                os.write(log, b"%07d\n" % i)
                os.fsync(log)
                self.lines = i + 1
                if i == 150:
                    self.enough.set()
        except OSError as e:
            self.ended = e
            self.enough.set()


def acknowledged_is_there(root, w):
    renamed = set(w.renamed)
    for i in w.files:
        path = "%s/f%06d" % (root, i)
        if i in renamed or not os.path.exists(path):
            path += "r"  # the last rename may have been done but not acknowledged
        e2e.check(os.path.exists(path), "%s was acknowledged and is gone", path)
        e2e.check(e2e.get(path) == e2e.noise(i, 1000 + i % 9000), "%s has other content", path)
    lines = e2e.get(root + "/log").split(b"\n")[:-1]
    e2e.check(len(lines) >= w.lines and all(int(x) == i for i, x in enumerate(lines)),
              "the log has %d lines, %d were acknowledged", len(lines), w.lines)


def test(case):
    for turn, k in enumerate((1, 3, 1)):
        where = "load%d" % turn
        os.mkdir(case.dirs[k - 1] + "/" + where)
        w = Writer(case.dirs[k - 1] + "/" + where)
        w.start()
        w.enough.wait(60)
        case.lab("kill", k)
        w.join(60)
        e2e.check(not w.is_alive() and w.ended, "the writer hangs on a dead mount")
        e2e.check(len(w.files) > 100, "only %d files before the kill: %s", len(w.files), w.ended)
        if turn == 1:
            os.mkdir(case.dirs[0] + "/meanwhile")
            e2e.make_files(case.dirs[0] + "/meanwhile", 100, 2000)
        case.lab("start", k)
        case.twin("an acknowledged file is gone",
                  lambda: os.unlink("%s/%s/f%06d" % (case.dirs[k - 1], where, w.files[0])))
        acknowledged_is_there(case.dirs[k - 1] + "/" + where, w)
        case.equal()
        for d in case.dirs:
            acknowledged_is_there(d + "/" + where, w)


e2e.run(test)
