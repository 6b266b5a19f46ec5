/* SPDX-License-Identifier: Apache-2.0 */
#include "status/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/units.h"
#include "core/version.h"
#include "status/snapshot.h"

#define REFRESH_S "5"

const char page_style[] =
	":root{color-scheme:light dark}"
	"body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
	"h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}"
	".lead{font-size:1.15rem;padding:.6rem .9rem;border-left:.4rem solid #2a7;margin:1rem 0}"
	".lead.bad{border-color:#c33}.lead.wait{border-color:#d90}"
	"table{border-collapse:collapse;width:100%}"
	"th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884;"
	"vertical-align:top}"
	"td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
	".good{color:#173}.bad{color:#c33}.wait{color:#a60}.dim{opacity:.65}"
	"@media(prefers-color-scheme:dark){.good{color:#6d9}.bad{color:#f88}.wait{color:#fb4}}"
	"footer{margin-top:2rem;font-size:.85rem;opacity:.7}";

static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			(void)fputs("&amp;", out);
			break;
		case '<':
			(void)fputs("&lt;", out);
			break;
		case '>':
			(void)fputs("&gt;", out);
			break;
		case '"':
			(void)fputs("&quot;", out);
			break;
		case '\'':
			(void)fputs("&#39;", out);
			break;
		default:
			(void)fputc(*text, out);
		}
	}
}

/* A table cell; `class` is one of ours. */
static void put_cell(FILE *out, const char *class, const char *text)
{
	(void)fprintf(out, "<td%s%s%s>", class ? " class=\"" : "", class ? class : "",
		      class ? "\"" : "");
	put_text(out, text);
	(void)fputs("</td>", out);
}

static void put_count(FILE *out, uint64_t value)
{
	char text[UNITS_TEXT_MAX];

	count_text(value, text, sizeof(text));
	put_cell(out, "n", text);
}

static void put_size(FILE *out, uint64_t value)
{
	char text[UNITS_TEXT_MAX];

	size_text(value, text, sizeof(text));
	put_cell(out, "n", text);
}

static void put_head(FILE *out, const char *const *names)
{
	(void)fputs("<table><thead><tr>", out);
	for (; *names; names++) {
		bool number = (*names)[0] == '#'; /* right-aligned */

		(void)fprintf(out, "<th%s scope=\"col\">%s</th>", number ? " class=\"n\"" : "",
			      *names + number);
	}
	(void)fputs("</tr></thead><tbody>\n", out);
}

static void put_pools(FILE *out, const struct snapshot *snapshot)
{
	static const char *const head[] = {"Pool",  "Mount",    "State",      "#Files",
					   "#Size", "#Journal", "#Conflicts", NULL};

	(void)fputs("<h2>Pools</h2>\n", out);
	if (snapshot->pool_count == 0) {
		(void)fputs("<p>This node holds none yet.</p>\n", out);
		return;
	}
	put_head(out, head);
	for (size_t i = 0; i < snapshot->pool_count; i++) {
		const struct snapshot_pool *pool = &snapshot->pools[i];

		(void)fputs("<tr>", out);
		put_cell(out, NULL, pool->status.name);
		put_cell(out, pool->mounted ? NULL : "bad", pool->path);
		if (pool->problem[0])
			put_cell(out, "bad", pool->problem);
		else if (pool->status.in_sync)
			put_cell(out, "good", "in sync");
		else
			put_cell(out, "wait", "not in sync");
		put_count(out, pool->status.files);
		put_size(out, pool->status.bytes);
		put_size(out, pool->status.journal_bytes);
		put_count(out, pool->status.conflicts);
		(void)fputs("</tr>\n", out);
	}
	(void)fputs("</tbody></table>\n", out);
}

/* What a peer is doing, in words: progress of catch-up, or why it is held. */
static void peer_words(const struct pool_peer_status *peer, char *ret, size_t size)
{
	uint64_t left = peer->catchup_total_bytes > peer->catchup_done_bytes
				? peer->catchup_total_bytes - peer->catchup_done_bytes
				: 0;
	char done[UNITS_TEXT_MAX];
	char total[UNITS_TEXT_MAX];
	char rate[UNITS_TEXT_MAX];
	char time[UNITS_TEXT_MAX];

	ret[0] = '\0';
	if (peer->held_reason[0]) {
		(void)snprintf(ret, size, "%s", peer->held_reason);
		return;
	}
	if (peer->catchup_total_bytes == 0)
		return;
	size_text(peer->catchup_done_bytes, done, sizeof(done));
	size_text(peer->catchup_total_bytes, total, sizeof(total));
	int n = snprintf(ret, size, "%s of %s", done, total);
	if (peer->catchup_rate < 1 || n < 0 || (size_t)n >= size)
		return;
	size_text((uint64_t)peer->catchup_rate, rate, sizeof(rate));
	duration_text((double)left / peer->catchup_rate, time, sizeof(time));
	(void)snprintf(ret + n, size - (size_t)n, ", %s/s, %s left", rate, time);
}

static void put_peer(FILE *out, const struct snapshot *snapshot, const char *pool,
		     const struct pool_peer_status *peer)
{
	char text[512];

	(void)fputs("<tr>", out);
	put_cell(out, NULL, pool);
	put_cell(out, NULL, snapshot_name(snapshot, peer->node));
	put_cell(out, strcmp(peer->state, "live") == 0 ? "good" : "wait", peer->state);
	put_cell(out, peer->equal ? "good" : "dim", peer->equal ? "yes" : "not proven");
	put_count(out, peer->behind_ops);
	put_size(out, peer->behind_bytes);
	if (peer->last_ack_age_s < 0)
		(void)snprintf(text, sizeof(text), "never");
	else
		duration_text(peer->last_ack_age_s, text, sizeof(text));
	put_cell(out, "n", text);
	peer_words(peer, text, sizeof(text));
	put_cell(out, NULL, text);
	(void)fputs("</tr>\n", out);
}

static void put_peers(FILE *out, const struct snapshot *snapshot)
{
	static const char *const head[] = {"Pool",
					   "Node",
					   "State",
					   "Equal",
					   "#Operations behind",
					   "#Bytes behind",
					   "#Last acknowledged",
					   "",
					   NULL};
	bool any = false;

	for (size_t i = 0; i < snapshot->pool_count; i++) {
		const struct pool_status *pool = &snapshot->pools[i].status;

		for (size_t k = 0; k < pool->peer_count && k < POOL_PEERS_MAX; k++) {
			if (!any) {
				(void)fputs("<h2>What the others have of it</h2>\n", out);
				put_head(out, head);
			}
			any = true;
			put_peer(out, snapshot, pool->name, &pool->peers[k]);
		}
	}
	if (any)
		(void)fputs("</tbody></table>\n", out);
}

static const char *severity_class(enum severity severity)
{
	static const char *const classes[SEVERITIES] = {"good", "dim",  "wait",
							"bad",  "wait", "dim"};

	return severity < SEVERITIES ? classes[severity] : "wait";
}

static void put_baseline(FILE *out, const struct health_view *view)
{
	char text[256];

	if (view->code == 0)
		(void)snprintf(text, sizeof(text), "ok");
	else
		(void)snprintf(text, sizeof(text), "SBM-%04u %s", view->code, view->text);
	put_cell(out, severity_class(code_severity(view->code)), text);
}

static void put_rule(FILE *out, const json_t *rule)
{
	uint16_t code = (uint16_t)json_get_int(rule, "code", 0);
	char text[64];

	(void)fputs("<tr>", out);
	(void)snprintf(text, sizeof(text), "SBM-%04u", code);
	put_cell(out, severity_class(code_severity(code)), text);
	put_cell(out, NULL, json_get_text(rule, "severity", ""));
	put_cell(out, NULL, json_get_text(rule, "rule", ""));
	put_cell(out, NULL, json_get_text(rule, "pool", ""));
	duration_text((double)json_get_int(rule, "since_s", 0), text, sizeof(text));
	put_cell(out, "n", text);
	put_cell(out, NULL, json_get_text(rule, "effect", ""));
	put_cell(out, NULL, json_get_text(rule, "text", ""));
	(void)fputs("</tr>\n", out);
}

/* The rules of this node that are not good. */
static void put_health(FILE *out, const struct snapshot *snapshot)
{
	static const char *const head[] = {"Code", "State",  "Rule", "Pool",
					   "#For", "Effect", "",     NULL};
	const json_t *rules = json_object_get(snapshot->health, "rules");
	const json_t *rule;
	bool any = false;
	size_t i;

	if (!snapshot->health)
		return;
	(void)fputs("<h2>Baseline of this node</h2>\n", out);
	json_array_foreach (rules, i, rule) {
		if (json_get_int(rule, "code", 0) == 0)
			continue;
		if (!any)
			put_head(out, head);
		any = true;
		put_rule(out, rule);
	}
	if (any)
		(void)fputs("</tbody></table>\n", out);
	else
		(void)fprintf(out, "<p>All %zu rules are good.</p>\n", json_array_size(rules));
}

static void put_member(FILE *out, const struct snapshot_member *member)
{
	const struct net_peer_status *link = &member->link;
	const char *class = strcmp(member->state, "alive") == 0 ? "good" : "dim";
	uint32_t rtt_us = member->tns.rtt_us ? member->tns.rtt_us : link->rtt_us;
	char text[512];

	(void)fputs("<tr>", out);
	(void)snprintf(text, sizeof(text), "%s%s", member->record.name,
		       member->self ? " (this node)" : "");
	put_cell(out, NULL, text);
	put_cell(out, strcmp(member->state, "down") == 0 ? "bad" : class, member->state);
	put_cell(out, NULL, member->record.addresses[0]);
	if (rtt_us)
		(void)snprintf(text, sizeof(text), "%.2f ms", (double)rtt_us / 1000);
	else
		(void)snprintf(text, sizeof(text), "%s", member->self ? "" : "not measured");
	put_cell(out, "n", text);
	put_baseline(out, &member->baseline);
	put_size(out, link->sent_bytes);
	put_size(out, link->received_bytes);
	put_cell(out, NULL, member->tns.planned ? member->tns.reason : link->held_reason);
	(void)fputs("</tr>\n", out);
}

static void put_members(FILE *out, const struct snapshot *snapshot)
{
	static const char *const head[] = {"Node",        "State",    "Address",
					   "#Round trip", "Baseline", "#Sent",
					   "#Received",   "",         NULL};

	if (snapshot->member_count == 0)
		return;
	(void)fputs("<h2>Nodes</h2>\n", out);
	put_head(out, head);
	for (size_t i = 0; i < snapshot->member_count; i++)
		put_member(out, &snapshot->members[i]);
	(void)fputs("</tbody></table>\n", out);
}

char *page_html(const struct snapshot *snapshot, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char sentence[1024];
	char why[768];
	char uptime[UNITS_TEXT_MAX];

	if (!out)
		return NULL;
	snapshot_sentence(snapshot, sentence, sizeof(sentence));
	duration_text((double)snapshot->uptime_ms / 1000, uptime, sizeof(uptime));
	(void)fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		    "<meta name=\"viewport\" content=\"width=device-width\">"
		    "<meta http-equiv=\"refresh\" content=\"" REFRESH_S "\">"
		    "<link rel=\"stylesheet\" href=\"/style.css\"><title>",
		    out);
	put_text(out, snapshot->node);
	(void)fputs(" - MultiAll</title></head><body>\n<h1>", out);
	put_text(out, snapshot->node);
	(void)fprintf(out, "</h1>\n<p class=\"lead%s\">",
		      !snapshot_healthy(snapshot, why, sizeof(why))   ? " bad"
		      : !snapshot_in_sync(snapshot, why, sizeof(why)) ? " wait"
								      : "");
	put_text(out, sentence);
	(void)fputs("</p>\n", out);
	put_pools(out, snapshot);
	put_peers(out, snapshot);
	put_members(out, snapshot);
	put_health(out, snapshot);
	(void)fprintf(out, "<footer>MultiAll " MULTIALL_VERSION ", up for %s. The same as ",
		      uptime);
	(void)fputs("<a href=\"/api/v1/status\">JSON</a> and <a href=\"/metrics\">metrics</a>. "
		    "This page reads itself again every " REFRESH_S " seconds.</footer>\n"
		    "</body></html>\n",
		    out);
	bool failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	*ret_size = size;
	return text;
}
