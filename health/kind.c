/* SPDX-License-Identifier: Apache-2.0 */
#include "health/kind.h"

#include <string.h>

#include "health/code.h"

const struct kind kind_table[CHECK_KINDS] = {
	[CHECK_LOAD] = {"load", "[1|5|15]", 0, 1, 101, "per CPU", "> 4", "> 10",
			"load average of 1, 5 (default) or 15 minutes, by processor"},
	[CHECK_PRESSURE] = {"pressure", "cpu|memory|io", 1, 1, 102, "%", "> 50", NULL,
			    "share of the last minute in which some task waited for it"},
	[CHECK_MEMORY] = {"memory", "", 0, 0, 201, "%", "< 10", "< 4", "memory available"},
	[CHECK_SPACE] = {"space", "PATH", 1, 1, 301, "%", "< 10", "< 4",
			 "free space of the file system, for others than root"},
	[CHECK_INODES] = {"inodes", "PATH", 1, 1, 302, "%", "< 10", "< 4",
			  "free inodes; good where the file system counts none"},
	[CHECK_MOUNT] = {"mount", "PATH [TYPE]", 1, 2, 306, "", NULL, NULL,
			 "whether something (of that type) is mounted there"},
	[CHECK_WRITABLE] = {"writable", "PATH", 1, 1, 303, "", NULL, NULL,
			    "whether the file system is not read-only"},
	[CHECK_FILE] = {"file",
			"PATH [absent] [max-age=TIME] [min-age=TIME] [hash=HEX] [owner=USER] "
			"[group=GROUP] [mode=OCTAL]",
			1, 8, 803, "s", NULL, NULL,
			"whether the file is there and as wanted; its value is its age. hash: "
			"b2sum -l 256"},
	[CHECK_PROCESS] = {"process", "NAME [USER]", 1, 2, 501, "", NULL, "< 1",
			   "processes of that name (of that user)"},
	[CHECK_TCP] = {"tcp", "HOST:PORT", 1, 1, 503, "s", NULL, NULL,
		       "whether a connection can be had, and how long it takes"},
	[CHECK_HTTP] = {"http", "URL [status=N] [text=WORDS] [certificate-days=N]", 1, 4, 504, "s",
			NULL, NULL,
			"whether the page answers as wanted (2xx and 3xx unless said), and how "
			"long it takes"},
	[CHECK_CERTIFICATE] = {"certificate", "FILE", 1, 1, 801, "d", "< 21", "< 7",
			       "days that the first certificate of a PEM file is still valid"},
	[CHECK_CLOCK] = {"clock", "", 0, 0, 701, "s", "> 0.1", "> 1",
			 "how far off the clock may be; bad if nothing keeps it right"},
	[CHECK_UNIT] = {"unit", "NAME", 1, 1, 501, "", NULL, NULL,
			"whether the systemd unit is active"},
	[CHECK_LINK] = {"link", "INTERFACE|default", 1, 1, 401, "", NULL, NULL,
			"whether the interface (that of the default route) has a carrier"},
	[CHECK_POOL_LAG] = {"pool-lag", "POOL", 1, 1, 601, "s", "> 60", "> 600",
			    "for how long a connected node has not confirmed what it was sent"},
	[CHECK_POOL_CONFLICTS] = {"pool-conflicts", "POOL", 1, 1, 603, "", "> 0", NULL,
				  "conflicts that nobody has resolved"},
	[CHECK_POOL_SYNC] = {"pool-sync", "POOL", 1, 1, 605, "", NULL, NULL,
			     "whether the pool is open and proven equal with every connected node"},
	[CHECK_PLUGIN] = {"nagios", "PROGRAM [ARGUMENT...]", 1, 60, CONDITION_PLUGIN, "", NULL,
			  NULL, "a Nagios plugin, by its arguments, without a shell"},
};

enum check_kind kind_find(const char *name, size_t length)
{
	size_t i = 0;

	while (i < CHECK_KINDS && (strlen(kind_table[i].name) != length ||
				   memcmp(kind_table[i].name, name, length) != 0))
		i++;
	return (enum check_kind)i;
}
