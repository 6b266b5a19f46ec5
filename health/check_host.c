/* SPDX-License-Identifier: Apache-2.0
 * Checks of the machine: processors, memory, processes, clock, link, units.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "health/check.h"

void check_load(const struct check_call *call, struct check_answer *ret)
{
	const char *which = call->word_count ? call->words[0] : "5";
	double load[3];
	char text[128];

	if (strcmp(which, "1") != 0 && strcmp(which, "5") != 0 && strcmp(which, "15") != 0) {
		check_say_nothing(ret, "load: write 1, 5 or 15, not %.20s", which);
		return;
	}
	if (!check_read(call, "/proc/loadavg", text, sizeof(text)) ||
	    sscanf(text, "%lf %lf %lf", &load[0], &load[1], &load[2]) != 3) {
		check_say_nothing(ret, "/proc/loadavg can't be read");
		return;
	}
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	double value = load[which[0] == '5' ? 1 : which[1] == '5' ? 2 : 0];
	check_say_value(ret, call, value / (double)(processors > 0 ? processors : 1),
			"load %.2f on %ld processors (%s minutes)", value, processors, which);
}

void check_pressure(const struct check_call *call, struct check_answer *ret)
{
	const char *which = call->words[0];
	char path[64], text[256];
	double value;

	if (strcmp(which, "cpu") != 0 && strcmp(which, "memory") != 0 && strcmp(which, "io") != 0) {
		check_say_nothing(ret, "pressure: write cpu, memory or io, not %.20s", which);
		return;
	}
	(void)snprintf(path, sizeof(path), "/proc/pressure/%s", which);
	if (!check_read(call, path, text, sizeof(text))) {
		/* Nothing can be wrong with what the kernel does not measure: psi=0. */
		check_say_good(ret, "this kernel does not measure pressure");
		return;
	}
	const char *at = strstr(text, "avg60=");
	if (!at || sscanf(at, "avg60=%lf", &value) != 1)
		check_say_nothing(ret, "%s can't be understood", path);
	else
		check_say_value(ret, call, value, "tasks waited for %s %.1f %% of the last minute",
				which, value);
}

void check_memory(const struct check_call *call, struct check_answer *ret)
{
	char text[2048];
	double total = 0;
	double available = 0;

	if (!check_read(call, "/proc/meminfo", text, sizeof(text))) {
		check_say_nothing(ret, "/proc/meminfo can't be read");
		return;
	}
	const char *at = strstr(text, "MemAvailable:");
	if (!at || sscanf(at, "MemAvailable: %lf", &available) != 1 ||
	    sscanf(text, "MemTotal: %lf", &total) != 1 || total <= 0) {
		check_say_nothing(ret, "/proc/meminfo can't be understood");
		return;
	}
	check_say_value(ret, call, 100 * available / total, "%.0f of %.0f MiB available",
			available / 1024, total / 1024);
}

/* Whether /proc/PID is a process of that name (of that user). */
static bool process_is(const struct check_call *call, const char *pid, const char *name,
		       const uid_t *uid)
{
	char path[300], comm[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	if (!check_read(call, path, comm, sizeof(comm)))
		return false; /* it has ended meanwhile */
	comm[strcspn(comm, "\n")] = '\0';
	/* The kernel keeps 15 bytes of a name. */
	if (strncmp(comm, name, 15) != 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s/proc/%.20s", call->base, pid);
	return !uid || (stat(path, &st) == 0 && st.st_uid == *uid);
}

void check_process(const struct check_call *call, struct check_answer *ret)
{
	const char *user = call->word_count > 1 ? call->words[1] : NULL;
	char path[300], buffer[2048];
	struct passwd entry;
	struct passwd *found = NULL;
	unsigned int count = 0;

	if (user && (getpwnam_r(user, &entry, buffer, sizeof(buffer), &found) != 0 || !found)) {
		check_say_nothing(ret, "there is no user %.40s", user);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/proc", call->base);
	DIR *dir = opendir(path);
	if (!dir) {
		check_say_nothing(ret, "/proc can't be read");
		return;
	}
	for (const struct dirent *at; (at = readdir(dir));) {
		if (at->d_name[0] >= '1' && at->d_name[0] <= '9')
			count += process_is(call, at->d_name, call->words[0],
					    user ? &entry.pw_uid : NULL);
	}
	(void)closedir(dir);
	check_say_value(ret, call, count, "%u processes %.60s%s%.40s", count, call->words[0],
			user ? " of " : "", user ? user : "");
}

void check_clock(const struct check_call *call, struct check_answer *ret)
{
	struct timex state = {0};
	int r = adjtimex(&state);

	if (r < 0) {
		check_say_nothing(ret, "the kernel does not say how right its clock is");
		return;
	}
	if (r == TIME_ERROR || state.status & STA_UNSYNC) {
		check_say_fault(ret, "nothing keeps the clock right (no time service has set it)");
		ret->condition = 702;
		return;
	}
	double offset = fabs((double)state.offset) / (state.status & STA_NANO ? 1e9 : 1e6);
	check_say_value(ret, call, offset + (double)state.esterror / 1e6,
			"the clock is at most %.3f s off", offset + (double)state.esterror / 1e6);
}

/* The interface of the default route; false if there is none. */
static bool default_interface(const struct check_call *call, char ret[32])
{
	char text[8192];
	char *rest = NULL;

	if (!check_read(call, "/proc/net/route", text, sizeof(text)))
		return false;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char name[32], to[16], gateway[16];
		unsigned int flags;

		if (sscanf(line, "%31s %15s %15s %x", name, to, gateway, &flags) == 4 &&
		    strcmp(to, "00000000") == 0 && flags & 1) {
			memcpy(ret, name, strlen(name) + 1);
			return true;
		}
	}
	return false;
}

void check_link(const struct check_call *call, struct check_answer *ret)
{
	char name[32] = "";
	char path[128], text[32];

	if (strcmp(call->words[0], "default") != 0) {
		(void)snprintf(name, sizeof(name), "%s", call->words[0]);
	} else if (!default_interface(call, name)) {
		check_say_good(ret, "there is no default route, so no link that it needs");
		return;
	}
	if (strchr(name, '/') || !name[0]) {
		check_say_nothing(ret, "%s is not the name of an interface", call->words[0]);
		return;
	}
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	if (!check_read(call, path, text, sizeof(text)))
		check_say_fault(ret, "%s is not there, or not switched on", name);
	else if (text[0] != '1')
		check_say_fault(ret, "%s has no carrier", name);
	else
		check_say_good(ret, "%s has a carrier", name);
}

/* What ActiveState means. */
static void unit_say(const char *unit, const char *state, struct check_answer *ret)
{
	if (strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0)
		check_say_good(ret, "%.100s is %s", unit, state);
	else
		check_say_fault(ret, "%.100s is %.40s", unit, state);
}

void check_unit(const struct check_call *call, struct check_answer *ret)
{
	const char *unit = call->words[0];
	sd_bus *bus = NULL;
	sd_bus_message *answer = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *path = NULL;
	char *state = NULL;
	int r = sd_bus_open_system(&bus);

	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, (uint64_t)call->timeout_ms * 1000);
	if (r >= 0)
		r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
				       "org.freedesktop.systemd1.Manager", "LoadUnit", &error,
				       &answer, "s", unit);
	if (r >= 0)
		r = sd_bus_message_read(answer, "o", &path);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, "org.freedesktop.systemd1", path,
					       "org.freedesktop.systemd1.Unit", "ActiveState",
					       &error, &state);
	if (r < 0)
		check_say_nothing(ret, "systemd does not answer: %s",
				  error.message ? error.message : err_text(r));
	else
		unit_say(unit, state, ret);
	free(state);
	sd_bus_error_free(&error);
	(void)sd_bus_message_unref(answer);
	(void)sd_bus_flush_close_unref(bus);
}
