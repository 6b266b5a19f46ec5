/* SPDX-License-Identifier: Apache-2.0
 * The daemon, one per node: reads the settings, builds the parts, connects them, runs the loop,
 * and takes all down in order. The only file that knows every part.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/crypto.h"
#include "core/io.h"
#include "core/log.h"
#include "core/clock.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/places.h"
#include "core/settings.h"
#include "core/version.h"
#include "fuse/mountpoint.h"
#include "fuse/mounts.h"
#include "health/health.h"
#include "net/fleet.h"
#include "net/message.h"
#include "net/net.h"
#include "replication/pools.h"
#include "status/control.h"
#include "status/http.h"
#include "status/node.h"
#include "status/orders.h"
#include "status/snapshot.h"
#include "topology/tns.h"

#define EXIT_TROUBLE 2
#define EXIT_RUNNING 3 /* another one runs with this root: cli/start.c knows the number */

struct daemon {
	struct node node; /* what status and orders see */
	struct places places;
	struct settings settings;
	struct loop *loop;
	int lock_fd;
	bool locked;
	uv_signal_t signals[2];
	struct orders *orders;
	struct control *control;
	struct http *http;
};

static const char help[] =
	"takeconnector - the daemon of MultiAll, one for each node\n"
	"\n"
	"usage: takeconnector [--root DIR] [--debug]\n"
	"\n"
	"  --root DIR     settings, state, sockets and mounts lie below DIR (also: the "
	"environment\n"
	"                 variable MULTIALL_ROOT); several nodes can so live on one machine\n"
	"  --debug        log more, whatever log_level says\n"
	"  --foreground   stay in the foreground; it always does\n"
	"  --version      print the version\n"
	"  --help         print this\n"
	"\n"
	"Settings: /etc/multiall/multiall.conf. It ends in order on SIGTERM and SIGINT.\n"
	"The command line that speaks to it is multiall(1).\n";

/* ---- the network, which comes with a fleet and goes with it */

static void on_up(void *arg, uint16_t number)
{
	const struct daemon *daemon = arg;

	log_info("node %u: connected", (unsigned int)number);
	if (daemon->node.tns) {
		/* It may be new to us: its record comes before its link, the news of that later. */
		tns_fleet_changed(daemon->node.tns);
		tns_link(daemon->node.tns, number, true);
	}
	pools_node_up(daemon->node.pools, number);
	health_node_up(daemon->node.health, number);
}

static void on_down(void *arg, uint16_t number)
{
	const struct daemon *daemon = arg;

	log_info("node %u: connection lost", (unsigned int)number);
	if (daemon->node.tns)
		tns_link(daemon->node.tns, number, false);
	pools_node_down(daemon->node.pools, number);
}

static const uint16_t health_types[HEALTH_MESSAGES] = {
	[HEALTH_MESSAGE_REPORT] = MESSAGE_HEALTH_REPORT,
	[HEALTH_MESSAGE_RULES] = MESSAGE_HEALTH_RULES,
	[HEALTH_MESSAGE_ASK] = MESSAGE_HEALTH_ASK,
	[HEALTH_MESSAGE_ANSWER] = MESSAGE_HEALTH_ANSWER,
};

static void on_message(void *arg, uint16_t number, struct net_message *message)
{
	const struct daemon *daemon = arg;
	int type = 0;

	if (daemon->node.tns && tns_message(daemon->node.tns, number, message)) {
		net_consumed(daemon->node.net, number, (enum net_class)message->class,
			     message->size);
		free(message);
		return;
	}
	while (type < HEALTH_MESSAGES && health_types[type] != message->type)
		type++;
	if (type == HEALTH_MESSAGES) {
		pools_message(daemon->node.pools, number, message);
		return;
	}
	health_message(daemon->node.health, number, (enum health_message)type, message->body,
		       message->size);
	net_consumed(daemon->node.net, number, message->class, message->size);
	free(message);
}

static void on_refused(void *arg, uint16_t number)
{
	const struct daemon *daemon = arg;

	if (daemon->node.tns)
		tns_refused(daemon->node.tns, number);
}

static void on_writable(void *arg, uint16_t number, enum net_class class)
{
	const struct daemon *daemon = arg;

	pools_writable(daemon->node.pools, number, class);
}

static void on_fleet_changed(void *arg)
{
	const struct daemon *daemon = arg;

	if (daemon->node.tns)
		tns_fleet_changed(daemon->node.tns);
	pools_fleet_changed(daemon->node.pools);
}

/* Some other node has all that was written here. */
static bool on_drained(void *arg)
{
	const struct daemon *daemon = arg;
	struct snapshot *snapshot = NULL;
	bool drained = snapshot_take(&daemon->node, &snapshot) == 0;

	for (size_t i = 0; drained && i < snapshot->pool_count; i++)
		drained = snapshot_delivered(&snapshot->pools[i].status);
	snapshot_free(snapshot);
	return drained;
}

static int start_tns(struct daemon *daemon, char *error, size_t size)
{
	struct node *node = &daemon->node;
	const struct tns_config config = {
		.loop = node->loop,
		.net = node->net,
		.fleet = node->fleet,
		.dir = daemon->places.tns,
		.location = node->settings->text[SETTING_LOCATION],
		.events = {.arg = daemon, .drained = on_drained},
	};
	int r = tns_new(&config, &node->tns, error, size);

	if (r < 0)
		node->tns = NULL;
	return r;
}

static int start_net(struct node *node, char *error, size_t size)
{
	struct daemon *daemon = (struct daemon *)((char *)node - offsetof(struct daemon, node));
	const struct net_config config = {
		.loop = node->loop,
		.fleet = node->fleet,
		.listen = node->settings->text[SETTING_LISTEN],
		.events = {.arg = daemon,
			   .up = on_up,
			   .down = on_down,
			   .message = on_message,
			   .writable = on_writable,
			   .refused = on_refused,
			   .fleet_changed = on_fleet_changed},
	};
	int r = net_new(&config, &node->net, error, size);

	if (r < 0) {
		node->net = NULL;
		return r;
	}
	r = start_tns(daemon, error, size);
	if (r < 0) {
		net_free(take_ptr(node->net));
		return r;
	}
	pools_set_net(node->pools, node->net);
	pools_fleet_changed(node->pools);
	return 0;
}

static void stop_net(struct node *node)
{
	if (!node->net)
		return;
	pools_set_net(node->pools, NULL);
	tns_free(take_ptr(node->tns));
	net_free(take_ptr(node->net));
}

/* ---- what the monitor knows of the other parts */

static uint16_t health_self(void *arg, char ret_name[64])
{
	const struct daemon *daemon = arg;
	struct member self = {0};

	if (fleet_exists(daemon->node.fleet))
		fleet_self(daemon->node.fleet, &self);
	if (self.name[0])
		memcpy(ret_name, self.name, sizeof(self.name));
	else if (gethostname(ret_name, 63) < 0)
		(void)snprintf(ret_name, 64, "localhost");
	ret_name[63] = '\0';
	return self.number;
}

static void health_name(void *arg, uint16_t number, char ret_name[64])
{
	const struct daemon *daemon = arg;
	struct member member;

	(void)snprintf(ret_name, 64, "%u", number);
	if (fleet_member(daemon->node.fleet, number, &member) == 0)
		memcpy(ret_name, member.name, sizeof(member.name));
}

static size_t pools_read(const struct daemon *daemon, struct pool_status **ret)
{
	size_t count = pools_status(daemon->node.pools, NULL, 0);
	struct pool_status *all = calloc(count + 1, sizeof(*all));
	size_t now = all ? pools_status(daemon->node.pools, all, count) : 0;

	*ret = all;
	return now < count ? now : count;
}

static size_t health_pools(void *arg, struct health_pool *ret, size_t max)
{
	const struct daemon *daemon = arg;
	AUTO_FREE struct pool_status *all = NULL;
	size_t count = pools_read(daemon, &all);

	count = !all ? 0 : count < max ? count : max;
	for (size_t i = 0; i < count; i++) {
		ret[i].id = all[i].id;
		memcpy(ret[i].name, all[i].name, sizeof(all[i].name));
		memcpy(ret[i].backing, all[i].backing, sizeof(all[i].backing));
		mounts_path(daemon->node.mounts, all[i].name, ret[i].mount, sizeof(ret[i].mount));
	}
	return count;
}

/* For how long someone who is connected has owed us an answer; and who is not equal. */
static void health_peers(const struct daemon *daemon, const struct pool_status *status,
			 struct check_pool *ret)
{
	double up_s = (double)(clock_boot_ms() - daemon->node.started_ms) / 1000;
	size_t connected = 0;

	ret->in_sync = status->in_sync;
	for (size_t i = 0; i < status->peer_count && i < POOL_PEERS_MAX; i++) {
		const struct pool_peer_status *peer = &status->peers[i];
		double age = peer->last_ack_age_s < 0 ? up_s : peer->last_ack_age_s;

		if (strcmp(peer->state, "offline") == 0)
			continue;
		connected++;
		if (peer->behind_ops && age > ret->lag_s)
			ret->lag_s = age;
		if (peer->equal)
			continue;
		ret->in_sync = false;
		(void)snprintf(ret->why, sizeof(ret->why), "not proven equal with node %u (%s)",
			       peer->node, peer->state);
	}
	if (status->peer_count && connected == 0) {
		ret->in_sync = false;
		(void)snprintf(ret->why, sizeof(ret->why),
			       "no other node that holds it is connected");
	}
}

static void health_pool(void *arg, const char *name, struct check_pool *ret)
{
	const struct daemon *daemon = arg;
	AUTO_FREE struct pool_status *all = NULL;
	size_t count = pools_read(daemon, &all);

	*ret = (struct check_pool){0};
	for (size_t i = 0; all && i < count; i++) {
		if (strcmp(all[i].name, name) != 0)
			continue;
		ret->known = true;
		ret->open = all[i].open;
		ret->conflicts = all[i].conflicts;
		(void)snprintf(ret->why, sizeof(ret->why), "%.150s", all[i].problem);
		if (ret->open)
			health_peers(daemon, &all[i], ret);
	}
}

static bool health_in_pool(void *arg, uint16_t number, uint64_t pool)
{
	const struct daemon *daemon = arg;
	struct member member;

	if (fleet_member(daemon->node.fleet, number, &member) < 0 || member.state != MEMBER_ACTIVE)
		return false;
	for (size_t i = 0; i < member.pool_count && i < FLEET_POOLS_MAX; i++) {
		if (member.pools[i].id == pool)
			return true;
	}
	return false;
}

static void health_send(void *arg, uint16_t number, enum health_message type, const void *data,
			size_t size)
{
	const struct daemon *daemon = arg;
	const struct net_part part = {.data = data, .size = size};

	/* What cannot be sent is sent again: reports every ten seconds, rules when it is back. */
	if (daemon->node.net &&
	    net_send(daemon->node.net, number, NET_CONTROL, health_types[type], &part, 1) < 0)
		log_debug("node %u: a message of the monitor was not sent", (unsigned int)number);
}

static int start_health(struct daemon *daemon, char *error, size_t size)
{
	char settings[1024], state[1024];
	const struct health_config config = {
		.loop = daemon->loop,
		.settings_dir = settings,
		.state_dir = state,
		.arg = daemon,
		.self = health_self,
		.pools = health_pools,
		.pool = health_pool,
		.in_pool = health_in_pool,
		.send = health_send,
		.name = health_name,
	};

	(void)snprintf(settings, sizeof(settings), "%s.d", daemon->places.settings);
	(void)snprintf(state, sizeof(state), "%s/health", daemon->places.state);
	int r = health_new(&config, &daemon->node.health);
	return r < 0 ? err_say(error, size, r, "cannot start the monitor: %s", err_text(r)) : 0;
}

/* ---- start */

/* One daemon for each root. The lock goes with the process, however it ends. */
static int take_lock(struct daemon *daemon, char *error, size_t size)
{
	const char *path = daemon->places.lock;
	char pid[16] = "";
	int r = dir_make(daemon->places.run, 0755);

	if (r < 0)
		return err_say(error, size, r, "cannot make the directory %s: %s",
			       daemon->places.run, err_text(r));
	daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (daemon->lock_fd < 0)
		return err_say(error, size, -errno, "cannot open %s: %s", path, err_text(-errno));
	if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		ssize_t n = io_pread(daemon->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
		return err_say(error, size, -EALREADY,
			       "another takeconnector (process %s) runs with this root", pid);
	}
	daemon->locked = true;
	int length = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(daemon->lock_fd, 0) < 0)
		return err_say(error, size, -errno, "cannot write %s: %s", path, err_text(-errno));
	r = io_pwrite(daemon->lock_fd, pid, (size_t)length, 0);
	return r < 0 ? err_say(error, size, r, "cannot write %s: %s", path, err_text(r)) : 0;
}

static void mount_one(void *arg, const char *name, struct pool *pool)
{
	const struct daemon *daemon = arg;
	char error[512];

	if (mounts_start(daemon->node.mounts, name, pool, error, sizeof(error)) < 0)
		log_error("pool %s is not mounted: %s", name, error);
}

static int start_parts(struct daemon *daemon, char *error, size_t size)
{
	struct node *node = &daemon->node;
	int r = dir_make(daemon->places.state, 0700);

	if (r < 0)
		return err_say(error, size, r, "cannot make the directory %s: %s",
			       daemon->places.state, err_text(r));
	r = loop_new(&daemon->loop);
	if (r < 0)
		return err_say(error, size, r, "cannot make the event loop: %s", err_text(r));
	node->loop = daemon->loop;
	r = fleet_open(daemon->places.fleet, &node->fleet, error, size);
	if (r < 0)
		return r;
	const struct pools_config config = {
		.state_dir = daemon->places.state,
		.fleet = node->fleet,
		.journal_max_bytes = daemon->settings.journal_max,
	};
	r = pools_new(&config, &node->pools);
	if (r == 0)
		r = mounts_new(daemon->places.pools, daemon->settings.passthrough,
			       daemon->settings.ring, &node->mounts);
	if (r < 0)
		return err_say(error, size, r, "cannot prepare the pools: %s", err_text(r));
	r = start_health(daemon, error, size);
	if (r < 0)
		return r;
	if (fleet_exists(node->fleet)) {
		r = start_net(node, error, size);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A page that can't be had is no reason to serve no files. */
static void start_page(struct daemon *daemon)
{
	const char *listen = daemon->settings.text[SETTING_STATUS_LISTEN];

	if (strcmp(listen, "off") == 0)
		return;
	if (http_new(&daemon->node, listen, &daemon->http, daemon->node.page_problem,
		     sizeof(daemon->node.page_problem)) < 0) {
		daemon->http = NULL;
		log_warn("%s", daemon->node.page_problem);
		return;
	}
	if (http_public(daemon->http))
		log_warn(
			"status page: http://%s/ is within reach of other machines and asks for no "
			"password",
			listen);
	else
		log_info("status page: http://%s/", listen);
}

static int start_pools(struct daemon *daemon, char *error, size_t size)
{
	struct node *node = &daemon->node;
	int open = pools_open_all(node->pools);

	if (open < 0)
		return err_say(error, size, open, "cannot open the pools below %s: %s",
			       daemon->places.state, err_text(open));
	pools_each(node->pools, mount_one, daemon);
	start_page(daemon);
	int r = orders_new(node, &daemon->orders);
	if (r < 0)
		return err_say(error, size, r, "no memory");
	return control_new(node->loop, daemon->places.control, orders_handle, daemon->orders,
			   &daemon->control, error, size);
}

static void say_settings(const struct settings *settings)
{
	if (settings->catchup_rate)
		log_warn("catchup_rate: this version does not limit catching up yet");
}

/* ---- run and end */

static void on_job_done(struct node *node)
{
	if (node->stopping && node->jobs == 0)
		loop_stop(node->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;

	log_info("signal %d: ending", number);
	(void)sd_notify(0, "STOPPING=1");
	daemon->node.stopping = true;
	if (daemon->node.tns)
		tns_stop(daemon->node.tns);
	if (daemon->node.jobs)
		log_info("waiting for a join that is under way (30 s at most)");
	on_job_done(&daemon->node);
}

static int watch_signals(struct daemon *daemon)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	int r = 0;

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGHUP, SIG_IGN) == SIG_ERR)
		return -errno;
	for (size_t i = 0; r == 0 && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		r = uv_signal_init(loop_uv(daemon->loop), &daemon->signals[i]);
		daemon->signals[i].data = daemon;
		if (r == 0)
			r = uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
	}
	return r;
}

/* Mounts first, so that nothing new is written; then the pools, which still may send; the network
 * last. Copes with parts that were never built. */
static void stop_parts(struct daemon *daemon)
{
	struct node *node = &daemon->node;

	control_free(daemon->control);
	orders_free(daemon->orders);
	http_free(daemon->http);
	health_free(take_ptr(node->health));
	mounts_free(node->mounts);
	if (node->pools)
		pools_free(node->pools);
	tns_free(node->tns);
	if (node->net)
		net_free(node->net);
	if (node->fleet)
		fleet_free(node->fleet);
	loop_free(daemon->loop);
	if (daemon->locked &&
	    ftruncate(daemon->lock_fd, 0) < 0) /* our number may be another's soon */
		log_debug("cannot empty %s: %s", daemon->places.lock, err_text(-errno));
	if (daemon->lock_fd >= 0)
		(void)close(daemon->lock_fd);
	places_done(&daemon->places);
}

static int run(struct daemon *daemon, const char *root, bool debug, char *error, size_t size)
{
	int r = places_init(root, &daemon->places);

	if (r < 0)
		return err_say(error, size, r, "--root %s: %s", root ? root : "", err_text(r));
	r = settings_read(daemon->places.settings, &daemon->settings, error, size);
	if (r < 0)
		return r;
	log_set_level(debug ? LOG_LEVEL_DEBUG : daemon->settings.log_level);
	daemon->node.places = &daemon->places;
	daemon->node.settings = &daemon->settings;
	daemon->node.started_ms = clock_boot_ms();
	daemon->node.net_start = start_net;
	daemon->node.net_stop = stop_net;
	daemon->node.job_done = on_job_done;
	/* What the mounts make gets the mode that the application asked for. */
	(void)umask(0);
	r = take_lock(daemon, error, size);
	if (r == 0)
		mountpoint_abort_below(daemon->places.pools);
	if (r == 0 && crypto_init() < 0)
		r = err_say(error, size, -EIO, "libsodium cannot be used on this machine");
	if (r == 0)
		r = start_parts(daemon, error, size);
	if (r == 0 && watch_signals(daemon) < 0)
		r = err_say(error, size, -EIO, "cannot watch for signals");
	if (r == 0)
		r = start_pools(daemon, error, size);
	if (r < 0)
		return r;
	say_settings(&daemon->settings);
	log_info("takeconnector " MULTIALL_VERSION " is ready, control socket %s",
		 daemon->places.control);
	(void)sd_notify(0, "READY=1");
	loop_run(daemon->loop);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"root", required_argument, NULL, 'r'}, {"foreground", no_argument, NULL, 'f'},
		{"debug", no_argument, NULL, 'd'},      {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},       {0},
	};
	struct daemon daemon = {.lock_fd = -1};
	const char *root = NULL;
	bool debug = false;
	char error[1024] = "";
	int option;

	memory_begin();
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			root = optarg;
			break;
		case 'd':
			debug = true;
			break;
		case 'f':
			break;
		case 'V':
			(void)puts("takeconnector " MULTIALL_VERSION);
			return 0;
		case 'h':
			(void)fputs(help, stdout);
			return 0;
		default:
			(void)fputs(help, stderr);
			return EXIT_TROUBLE;
		}
	}
	if (optind < argc) {
		log_error("takeconnector takes no arguments: \"%s\"; see --help", argv[optind]);
		return EXIT_TROUBLE;
	}
	int r = run(&daemon, root, debug, error, sizeof(error));
	if (r < 0)
		log_error("takeconnector: %s", error[0] ? error : err_text(r));
	stop_parts(&daemon);
	if (r == 0)
		log_info("takeconnector has ended in order");
	return r == 0 ? 0 : r == -EALREADY ? EXIT_RUNNING : EXIT_TROUBLE;
}
