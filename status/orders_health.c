/* SPDX-License-Identifier: Apache-2.0
 * Orders about the baseline: looking, explaining, checking, and the rules of a pool.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/units.h"
#include "health/health.h"
#include "net/fleet.h"
#include "status/orders_parts.h"

#define ANSWER_LIMIT_MS 5000
#define ANSWER_LOOK_MS  20

/* The number of the node that the request names, 0 for none or this one. False: answered. */
static bool asked_node(struct orders *orders, struct control_request *request, uint16_t *ret)
{
	const char *name = orders_text_optional(request, "node");
	struct fleet *fleet = orders->node->fleet;
	struct member member = {0};
	struct member self = {0};
	uint64_t number;

	*ret = 0;
	if (!name)
		return false;
	if (!name[0])
		return true;
	bool found = fleet_member_by_name(fleet, name, &member) == 0 ||
		     (count_parse(name, FLEET_MEMBERS_MAX, &number) == 0 &&
		      fleet_member(fleet, (uint16_t)number, &member) == 0);
	if (!found) {
		control_fail(request, 2, "there is no node \"%s\"; multiall status lists them",
			     name);
		return false;
	}
	fleet_self(fleet, &self);
	*ret = member.number == self.number ? 0 : member.number;
	return true;
}

static void answer(struct control_request *request, json_t *value, const char *key)
{
	if (value)
		control_done(request, json_pack("{s:o}", key, value));
	else
		control_fail(request, 2, "no memory");
}

void order_health(struct orders *orders, struct control_request *request)
{
	uint16_t node;

	if (asked_node(orders, request, &node))
		answer(request, health_json(orders->node->health, node), "health");
}

void order_health_codes(struct orders *orders, struct control_request *request)
{
	(void)orders;
	answer(request, health_codes_json(), "codes");
}

static void no_rule(struct control_request *request)
{
	control_fail(request, 2, "there is no rule \"%s\" there; multiall health lists them",
		     json_get_text(control_body(request), "rule", ""));
}

/* Answers with the list (taken); null or NULL: there is no such rule. */
static void answer_rules(struct control_request *request, json_t *list)
{
	if (json_is_array(list)) {
		answer(request, list, "rules");
		return;
	}
	json_decref(list);
	no_rule(request);
}

static bool look_answer(struct waiter *waiter, bool last)
{
	struct health *health = waiter->orders->node->health;
	uint32_t number = (uint32_t)(uintptr_t)waiter->arg;
	json_t *list = health_answer_take(health, number);

	if (list)
		answer_rules(waiter->request, list);
	else if (last)
		control_fail(waiter->request, 2, "the node does not answer; is it connected?");
	if (!list && last)
		health_answer_forget(health, number);
	return list || last;
}

void order_health_explain(struct orders *orders, struct control_request *request)
{
	const char *rule = orders_text(request, "rule");
	struct health *health = orders->node->health;
	uint16_t node;

	if (!rule || !asked_node(orders, request, &node))
		return;
	if (node == 0) {
		answer_rules(request, health_explain_json(health, rule));
		return;
	}
	uint32_t number = health_ask(health, node, rule);
	if (number == 0)
		control_fail(request, 2, "too many questions are open, or it is no rule's name");
	else
		orders_wait(orders, request, ANSWER_LIMIT_MS, ANSWER_LOOK_MS, look_answer,
			    (void *)(uintptr_t)number, NULL);
}

/* "RULE" or "RULE@POOL": the rule or rules, as a list. */
void order_health_check(struct orders *orders, struct control_request *request)
{
	const char *asked = orders_text(request, "rule");
	char rule[ORDERS_NAME_MAX + 1];

	if (!asked)
		return;
	memcpy(rule, asked, strlen(asked) + 1);
	char *pool = strchr(rule, '@');
	if (pool)
		*pool++ = '\0';
	json_t *list = health_explain_json(orders->node->health, rule);
	for (size_t i = json_array_size(list); pool && i-- > 0;) {
		if (strcmp(json_get_text(json_array_get(list, i), "pool", ""), pool) != 0)
			(void)json_array_remove(list, i);
	}
	if (list && json_array_size(list) == 0) {
		json_decref(list);
		list = NULL;
	}
	answer_rules(request, list);
}

/* A text may be longer than a name; the line of the request bounds it. */
static const char *long_text(struct control_request *request, const char *key)
{
	const json_t *value = json_object_get(control_body(request), key);
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

void order_health_lint(struct orders *orders, struct control_request *request)
{
	const char *pool = orders_text_optional(request, "pool");

	if (pool)
		answer(request,
		       health_lint_json(orders->node->health, long_text(request, "text"), pool),
		       "lint");
}

void order_health_set(struct orders *orders, struct control_request *request)
{
	const char *pool = orders_text(request, "pool");
	const char *text = long_text(request, "text");
	char error[512];

	if (!pool)
		return;
	if (!text)
		control_fail(request, 2, "\"text\" is missing in the request, or is no text");
	else if (health_rules_set(orders->node->health, pool, text, error, sizeof(error)) < 0)
		control_fail(request, 2, "%s; the rules of the pool stay as they were", error);
	else
		control_done(request,
			     orders_say("the rules of pool %s are set, for all its nodes", pool));
}

void order_health_rules(struct orders *orders, struct control_request *request)
{
	const char *pool = orders_text(request, "pool");

	if (!pool)
		return;
	const char *text = health_rules_get(orders->node->health, pool);
	answer(request, json_text(text ? text : ""), "text");
}
