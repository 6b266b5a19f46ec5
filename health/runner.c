/* SPDX-License-Identifier: Apache-2.0 */
#include "health/runner.h"

#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/child.h"
#include "core/clock.h"
#include "health/checker.h"

#define TICK_MS  100u /* starts are gathered: at most ten wake-ups a second */
#define GRACE_MS 500u /* for a check that keeps its time by itself */

/* A check under way. It outlives its watch if the rules change meanwhile. */
struct run {
	struct checker_job job; /* first */
	struct runner *runner;  /* NULL: gone */
	struct watch *watch;    /* NULL: nobody wants to know any more */
	struct run *next;
	struct child *child;
	uint64_t started_ms;
	char *words;
	struct check_call call;
	struct check_answer answer;
};

struct runner {
	struct runner_config config;
	struct checker *checker;
	uv_timer_t timer;
	struct watch *watches;
	size_t count;
	struct run *runs;
	uint64_t armed_ms;            /* when the timer is to come */
	uint64_t late_ms, late_at_ms; /* the last time that it came much later */
};

/* ---- ends */

static void run_free(struct run *run)
{
	free(run->words);
	free(run);
}

static void run_unlink(struct run *run)
{
	for (struct run **at = &run->runner->runs; *at; at = &(*at)->next) {
		if (*at == run) {
			*at = run->next;
			break;
		}
	}
	if (run->watch) {
		run->watch->run = NULL;
		run->watch->overdue = false;
	}
	run_free(run);
}

static void take_answer(struct runner *runner, struct watch *watch,
			const struct check_answer *answer, int exit_status)
{
	watch->last = *answer;
	watch->any = true;
	watch->exit_status = exit_status;
	watch->ended_ms = clock_boot_ms();
	if (verdict_step(&watch->rule->terms, &watch->verdict, &answer->sample, watch->ended_ms))
		runner->config.changed(runner->config.arg, watch);
}

static void take_nothing(struct runner *runner, struct watch *watch, uint16_t condition,
			 const char *text)
{
	struct check_answer answer = {.condition = condition};

	check_say_nothing(&answer, "%s", text);
	take_answer(runner, watch, &answer, -1);
}

static void on_job_done(struct checker_job *job)
{
	struct run *run = (struct run *)job;

	if (!run->runner) {
		run_free(run);
		return;
	}
	if (run->watch && !run->watch->overdue)
		take_answer(run->runner, run->watch, &run->answer, -1);
	run_unlink(run);
}

static void on_job_drop(struct checker_job *job)
{
	run_free((struct run *)job);
}

static void on_job(struct checker_job *job)
{
	struct run *run = (struct run *)job;

	check_run(&run->call, &run->answer);
}

static void plugin_answer(const struct child_end *end, const struct rule *rule,
			  struct check_answer *ret)
{
	struct plugin_output output;

	plugin_output_parse(end->output, end->size, &output);
	memcpy(ret->perfdata, output.perfdata, sizeof(ret->perfdata));
	ret->sample.kind = SAMPLE_LEVEL;
	ret->sample.level = plugin_level(end->status, end->signal);
	if (end->timed_out || end->flooded)
		ret->sample.kind = SAMPLE_NOTHING;
	if (end->timed_out) {
		ret->condition = CONDITION_TIMEOUT;
		(void)snprintf(ret->text, sizeof(ret->text), "ended after %.1f s without an answer",
			       (double)rule->timeout_ms / 1000);
	} else if (end->flooded) {
		ret->condition = CONDITION_CANNOT_RUN;
		(void)snprintf(ret->text, sizeof(ret->text), "printed more than %u bytes",
			       RUNNER_OUTPUT_MAX);
	} else if (end->signal || end->status > 3) {
		ret->condition = CONDITION_CANNOT_RUN;
		ret->sample.kind = SAMPLE_NOTHING;
		(void)snprintf(ret->text, sizeof(ret->text), "ended %s %d",
			       end->signal ? "by signal" : "with status",
			       end->signal ? end->signal : end->status);
	} else if (output.text[0]) {
		memcpy(ret->text, output.text, sizeof(ret->text));
	} else {
		(void)snprintf(ret->text, sizeof(ret->text), "exit status %d, no text",
			       end->status);
	}
}

static void on_plugin_done(void *arg, const struct child_end *end)
{
	struct run *run = arg;
	struct watch *watch = run->watch;
	struct check_answer answer = {0};

	run->child = NULL;
	if (watch) {
		plugin_answer(end, watch->rule, &answer);
		take_answer(run->runner, watch, &answer, end->status);
	}
	run_unlink(run);
}

/* ---- starts */

/* A pool may have only those programs run that an administrator has put where plugins belong. */
static bool plugin_allowed(const struct rule *rule, const char *program)
{
	static const char *const places[] = {"/usr/lib/nagios/plugins/",
					     "/usr/local/lib/nagios/plugins/",
					     "/usr/lib/multiall/plugins/"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (strncmp(program, places[i], strlen(places[i])) == 0)
			return rule->trusted || !strstr(program, "/../");
	}
	return rule->trusted;
}

static int plugin_spawn(struct runner *runner, struct run *run, const struct rule *rule, char *why,
			size_t size)
{
	static char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		"HOME=/", NULL};
	const char *user = rule->trusted ? rule->values[RULE_USER].text : "nobody";
	char *argv[CHECK_WORDS_MAX + 1] = {NULL};
	struct passwd entry;
	struct passwd *found = NULL;
	char buffer[4096];

	for (size_t i = 0; i < run->call.word_count; i++)
		argv[i] = (char *)run->call.words[i];
	if (!plugin_allowed(rule, argv[0]))
		return err_say(why, size, -EPERM,
			       "the rules of a pool run only what is in the plugins' directories");
	if (getpwnam_r(user, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return err_say(why, size, -EINVAL, "there is no user %s", user);
	const struct child_spec spec = {
		.argv = argv,
		.env = env,
		.drop = entry.pw_uid != getuid(),
		.uid = entry.pw_uid,
		.gid = entry.pw_gid,
		.timeout_ms = rule->timeout_ms,
		.output_max = RUNNER_OUTPUT_MAX,
	};
	int r = child_start(runner->config.loop, &spec, on_plugin_done, run, &run->child);
	return r < 0 ? err_say(why, size, r, "%.100s cannot be run: %s", argv[0], err_text(r)) : 0;
}

/* Cuts the text of the rule into the words of the call. */
static int run_new(struct runner *runner, struct watch *watch, struct run **ret)
{
	struct run *run = calloc(1, sizeof(*run));
	char *rest = NULL;

	if (!run || !(run->words = strdup(watch->rule->check))) {
		free(run);
		return -ENOMEM;
	}
	run->job = (struct checker_job){.work = on_job, .done = on_job_done, .drop = on_job_drop};
	run->runner = runner;
	run->watch = watch;
	run->started_ms = clock_boot_ms();
	run->call.kind = watch->rule->kind;
	run->call.timeout_ms = (uint32_t)watch->rule->timeout_ms;
	run->call.base = "";
	rest = run->words;
	(void)strsep(&rest, "\n"); /* the kind */
	for (char *word; run->call.word_count < CHECK_WORDS_MAX && (word = strsep(&rest, "\n"));)
		run->call.words[run->call.word_count++] = word;
	*ret = run;
	return 0;
}

static void start_pool(struct runner *runner, struct watch *watch)
{
	const char *name = strchr(watch->rule->check, '\n');
	struct check_pool pool = {0};
	struct check_answer answer;

	name = name ? name + 1 : "";
	runner->config.pool(runner->config.arg, name, &pool);
	check_pool_run(watch->rule->kind, name, &pool, &answer);
	take_answer(runner, watch, &answer, -1);
}

static void start(struct runner *runner, struct watch *watch)
{
	char why[PERFDATA_TEXT_MAX] = "no memory";
	enum check_kind kind = watch->rule->kind;
	struct run *run = NULL;

	watch->starts++;
	if (kind == CHECK_POOL_LAG || kind == CHECK_POOL_CONFLICTS || kind == CHECK_POOL_SYNC) {
		start_pool(runner, watch);
		return;
	}
	int r = run_new(runner, watch, &run);
	if (r == 0 && kind == CHECK_PLUGIN)
		r = plugin_spawn(runner, run, watch->rule, why, sizeof(why));
	else if (r == 0)
		r = checker_run(runner->checker, &run->job);
	if (r == -EAGAIN)
		(void)snprintf(why, sizeof(why), "all threads for checks hang");
	if (r < 0) {
		if (run)
			run_free(run);
		take_nothing(runner, watch, CONDITION_CANNOT_RUN, why);
		return;
	}
	run->next = runner->runs;
	runner->runs = run;
	watch->run = run;
}

/* ---- time */

static void look(struct runner *runner, struct watch *watch, uint64_t now)
{
	const struct rule *rule = watch->rule;

	if (watch->run && !watch->run->child && !watch->overdue &&
	    now - watch->run->started_ms > rule->timeout_ms + GRACE_MS) {
		watch->overdue = true;
		take_nothing(runner, watch, CONDITION_TIMEOUT, "hangs: no answer in time");
	}
	if (now < watch->due_ms)
		return;
	/* The next moment of its own phase; a start that was missed is not made up for. */
	watch->due_ms = now - now % rule->every_ms + watch->phase_ms;
	if (watch->due_ms <= now)
		watch->due_ms += rule->every_ms;
	/* Until it is known how things are, more often. */
	if (watch->verdict.level == LEVEL_STARTING && watch->due_ms > now + RUNNER_AGAIN_MS)
		watch->due_ms = now + RUNNER_AGAIN_MS;
	if (rule->values[RULE_ENABLED].number == 0)
		return;
	if (!watch->run)
		start(runner, watch);
	else if (watch->overdue)
		take_nothing(runner, watch, CONDITION_TIMEOUT, "still hangs");
}

static void on_tick(uv_timer_t *timer);

static void arm(struct runner *runner)
{
	uint64_t now = clock_boot_ms();
	uint64_t next = now + 60000;

	for (size_t i = 0; i < runner->count; i++) {
		const struct watch *watch = &runner->watches[i];
		uint64_t due = watch->due_ms;

		if (watch->run && !watch->overdue) {
			uint64_t end = watch->run->started_ms + watch->rule->timeout_ms + GRACE_MS;
			due = end < due ? end : due;
		}
		next = due < next ? due : next;
	}
	uint64_t wait = next > now + TICK_MS ? next - now : TICK_MS;
	runner->armed_ms = now + wait;
	(void)uv_timer_start(&runner->timer, on_tick, wait, 0);
}

static void on_tick(uv_timer_t *timer)
{
	struct runner *runner = timer->data;
	uint64_t now = clock_boot_ms();

	if (now > runner->armed_ms + RUNNER_LATE_MS) {
		runner->late_ms = now - runner->armed_ms;
		runner->late_at_ms = now;
	}
	for (size_t i = 0; i < runner->count; i++)
		look(runner, &runner->watches[i], now);
	arm(runner);
}

/* ---- rules */

static void adopt(struct watch *watch, struct watch *old)
{
	const struct rule *rule = watch->rule;

	watch->verdict = old->verdict;
	watch->last = old->last;
	watch->any = old->any;
	watch->exit_status = old->exit_status;
	watch->ended_ms = old->ended_ms;
	watch->starts = old->starts;
	watch->overdue = old->overdue;
	if (old->due_ms < watch->due_ms + rule->every_ms)
		watch->due_ms = old->due_ms;
	watch->run = take_ptr(old->run);
	if (watch->run)
		watch->run->watch = watch;
}

static struct watch *watch_find(struct watch *watches, size_t count, const struct rule *rule)
{
	for (size_t i = 0; i < count; i++) {
		const struct rule *other = watches[i].rule;

		if (strcmp(other->name, rule->name) == 0 && strcmp(other->pool, rule->pool) == 0 &&
		    strcmp(other->check, rule->check) == 0)
			return &watches[i];
	}
	return NULL;
}

static void watches_free(struct watch *watches, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct run *run = watches[i].run;

		if (!run)
			continue;
		run->watch = NULL;
		if (run->child) {
			child_kill(take_ptr(run->child));
			run_unlink(run);
		}
	}
	free(watches);
}

int runner_set(struct runner *runner, const struct rule *rules, size_t count, uint64_t seed)
{
	struct watch *watches = calloc(count + 1, sizeof(*watches));
	uint64_t now = clock_boot_ms();

	if (!watches)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct watch *watch = &watches[i];
		/* Multiples of the golden ratio lie evenly in [0, 1), however many there are. */
		double whole;
		double place =
			modf((double)(i + 1) * 0.6180339887 + (double)(seed % 1000) / 1000, &whole);
		uint64_t first =
			rules[i].every_ms < RUNNER_FIRST_MS ? rules[i].every_ms : RUNNER_FIRST_MS;

		watch->rule = &rules[i];
		watch->exit_status = -1;
		watch->phase_ms = (uint64_t)(place * (double)rules[i].every_ms);
		watch->due_ms = now + (uint64_t)(place * (double)first);
		verdict_init(&watch->verdict, now);
		struct watch *old = watch_find(runner->watches, runner->count, &rules[i]);
		if (old)
			adopt(watch, old);
	}
	watches_free(runner->watches, runner->count);
	runner->watches = watches;
	runner->count = count;
	arm(runner);
	return 0;
}

int runner_new(const struct runner_config *config, struct runner **ret)
{
	struct runner *runner = calloc(1, sizeof(*runner));

	if (!runner)
		return -ENOMEM;
	runner->config = *config;
	int r = checker_new(config->loop, &runner->checker);
	if (r < 0) {
		free(runner);
		return r;
	}
	(void)uv_timer_init(loop_uv(config->loop), &runner->timer);
	runner->timer.data = runner;
	*ret = runner;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void runner_free(struct runner *runner)
{
	if (!runner)
		return;
	watches_free(runner->watches, runner->count);
	for (struct run *run = runner->runs; run; run = run->next)
		run->runner = NULL; /* its thread has it */
	checker_free(runner->checker);
	uv_close((uv_handle_t *)&runner->timer, on_timer_closed);
}

uint64_t runner_late_ms(const struct runner *runner, uint64_t now_ms)
{
	return now_ms - runner->late_at_ms < RUNNER_LATE_FOR_MS ? runner->late_ms : 0;
}

const struct watch *runner_watches(const struct runner *runner, size_t *ret_count)
{
	*ret_count = runner->count;
	return runner->watches;
}
