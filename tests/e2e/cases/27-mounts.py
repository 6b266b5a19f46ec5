#!/usr/bin/env python3
"""mountall and mount.multiall: idempotent, and a mount that went away comes back."""
import os

import e2e


def test(case):
    web, db = case.dirs[0], case.lab("dirs", "--pool", "db").stdout.split()[0]
    e2e.put(web + "/f", b"x")
    e2e.put(db + "/f", b"x")
    e2e.check(case.execute(1, "mountall").returncode == 0 and os.path.ismount(web), "mountall where all is mounted")
    e2e.sh("umount", web)
    e2e.sh("umount", "-l", db)
    e2e.until(lambda: not any(p["mounted"] for p in case.status(1)["pools"]), "status sees that nothing is mounted")
    case.twin("mountall is not called", lambda: e2e.check(os.path.ismount(web), "not mounted"))
    case.execute(1, "mountall")
    e2e.check(os.path.ismount(web) and os.path.ismount(db), "mountall did not mount")
    e2e.check(e2e.get(web + "/f") == b"x" and e2e.get(db + "/f") == b"x", "the files are not back")
    e2e.sh("umount", web)
    case.execute(1, "mount.multiall", "web", web)
    e2e.check(os.path.ismount(web) and e2e.get(web + "/f") == b"x", "mount.multiall did not mount")
    e2e.check(case.execute(1, "mount.multiall", "none", web + "-none", ok=False).returncode != 0,
              "mount.multiall of a pool that does not exist succeeds")
    case.lab("stop", 1)
    case.execute(1, "mountall")  # as at boot: it starts the daemon too
    e2e.check(os.path.ismount(web) and os.path.ismount(db), "mountall after a stop did not mount")
    e2e.put(web + "/g", b"y")
    case.equal()


e2e.run(test, nodes=2, args=["--pool", "web", "--pool", "db"])
