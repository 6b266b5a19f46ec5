/* SPDX-License-Identifier: Apache-2.0 */
#include "core/places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"

static const char *const below[] = {
	"/etc/multiall/multiall.conf",
	"/var/lib/multiall",
	"/var/lib/multiall/fleet",
	"/var/lib/multiall/tns",
	"/run/multiall",
	"/run/multiall/control.sock",
	"/run/multiall/takeconnector.lock",
	"/var/log/multiall/takeconnector.log",
	"/pool",
};

/* Absolute, without slashes at its end: "/" becomes "". */
static int root_clean(const char *root, char **ret)
{
	AUTO_FREE char *here = root[0] == '/' ? strdup("") : get_current_dir_name();
	AUTO_FREE char *full = NULL;

	if (!here)
		return -errno;
	if (asprintf(&full, "%s%s%s", here, root[0] == '/' ? "" : "/", root) < 0) {
		full = NULL;
		return -ENOMEM;
	}
	size_t length = strlen(full);
	while (length > 0 && full[length - 1] == '/')
		full[--length] = '\0';
	*ret = take_ptr(full);
	return 0;
}

int places_init(const char *root, struct places *ret)
{
	struct places p = {0};
	char **each[] = {&p.settings, &p.state, &p.fleet, &p.tns,  &p.run,
			 &p.control,  &p.lock,  &p.log,   &p.pools};

	_Static_assert(sizeof(each) / sizeof(each[0]) == sizeof(below) / sizeof(below[0]),
		       "one place for each path");
	if (!root)
		root = getenv(PLACES_ROOT_ENV);
	if (!root || !root[0])
		root = "/";
	int r = root_clean(root, &p.root);
	for (size_t i = 0; r == 0 && i < sizeof(below) / sizeof(below[0]); i++) {
		if (asprintf(each[i], "%s%s", p.root, below[i]) < 0) {
			*each[i] = NULL;
			r = -ENOMEM;
		}
	}
	if (r < 0) {
		places_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void places_done(struct places *places)
{
	free(places->root);
	free(places->settings);
	free(places->state);
	free(places->fleet);
	free(places->tns);
	free(places->run);
	free(places->control);
	free(places->lock);
	free(places->log);
	free(places->pools);
	*places = (struct places){0};
}
