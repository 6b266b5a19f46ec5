/* SPDX-License-Identifier: Apache-2.0
 * Where things lie on this node: settings, state, sockets, mounts, all below one root.
 * The caller owns the struct; places_done() frees its strings.
 * Any thread; constant once made.
 * Invariant: `root` is "" for the real root, else an absolute path without a slash at its end.
 */
#ifndef CORE_PLACES_H
#define CORE_PLACES_H

#include "core/err.h"

#define PLACES_ROOT_ENV "MULTIALL_ROOT"

struct places {
	char *root;
	char *settings; /* ROOT/etc/multiall/multiall.conf */
	char *state;    /* ROOT/var/lib/multiall */
	char *fleet;    /* ROOT/var/lib/multiall/fleet */
	char *tns;      /* ROOT/var/lib/multiall/tns */
	char *run;      /* ROOT/run/multiall */
	char *control;  /* ROOT/run/multiall/control.sock */
	char *lock;     /* ROOT/run/multiall/takeconnector.lock */
	char *log;      /* ROOT/var/log/multiall/takeconnector.log */
	char *pools;    /* ROOT/pool */
};

/* `root`: as given by --root; NULL means environment MULTIALL_ROOT, else "/". Relative paths are
 * taken from the current directory. */
MUST_CHECK int places_init(const char *root, struct places *ret);
void places_done(struct places *places);

#endif
