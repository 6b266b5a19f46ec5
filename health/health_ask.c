/* SPDX-License-Identifier: Apache-2.0
 * Questions to another node: what stands behind a rule there. Its files are only there.
 */
#include <string.h>

#include "core/auto.h"
#include "core/bytes.h"
#include "health/parts.h"

#define ANSWER_MAX (256u << 10) /* bytes of JSON */

uint32_t health_ask(struct health *health, uint16_t node, const char *rule)
{
	uint8_t data[RULE_NAME_MAX + 8];
	struct wr w = wr_init(data, sizeof(data));
	size_t i = 0;

	while (i < HEALTH_ASKED_MAX && health->asked[i].number)
		i++;
	wr_u32(&w, health->asked_last + 1);
	wr_blob16(&w, rule, strlen(rule));
	if (i == HEALTH_ASKED_MAX || w.failed || health->asked_last == UINT32_MAX)
		return 0;
	health->asked[i] = (struct health_asked){.number = ++health->asked_last, .node = node};
	health->config.send(health->config.arg, node, HEALTH_MESSAGE_ASK, data, wr_used(&w));
	return health->asked[i].number;
}

json_t *health_answer_take(struct health *health, uint32_t number)
{
	for (size_t i = 0; i < HEALTH_ASKED_MAX; i++) {
		struct health_asked *asked = &health->asked[i];

		if (asked->number != number || !asked->answer)
			continue;
		asked->number = 0;
		return take_ptr(asked->answer);
	}
	return NULL;
}

void health_answer_forget(struct health *health, uint32_t number)
{
	for (size_t i = 0; i < HEALTH_ASKED_MAX; i++) {
		if (health->asked[i].number != number)
			continue;
		json_decref(health->asked[i].answer);
		health->asked[i] = (struct health_asked){0};
	}
}

void health_question_hear(struct health *health, uint16_t node, const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	uint32_t number = rd_u32(&r);
	size_t length = 0;
	const uint8_t *text = rd_blob16(&r, RULE_NAME_MAX, &length);
	char rule[RULE_NAME_MAX + 1] = "";
	uint8_t head[4];
	struct wr w = wr_init(head, sizeof(head));

	if (r.failed)
		return;
	if (length)
		memcpy(rule, text, length);
	AUTO_JSON json_t *list = health_explain_json(health, rule);
	AUTO_JSON json_t *whole = json_pack("{s:O?}", "rules", list);
	AUTO_FREE char *line = whole ? json_line(whole) : NULL;
	if (!line || strlen(line) > ANSWER_MAX)
		return;
	AUTO_FREE uint8_t *answer = malloc(sizeof(head) + strlen(line));
	if (!answer)
		return;
	wr_u32(&w, number);
	memcpy(answer, head, sizeof(head));
	memcpy(answer + sizeof(head), line, strlen(line));
	health->config.send(health->config.arg, node, HEALTH_MESSAGE_ANSWER, answer,
			    sizeof(head) + strlen(line));
}

void health_answer_hear(struct health *health, uint16_t node, const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	uint32_t number = rd_u32(&r);
	json_t *value = NULL;
	char why[256];

	for (size_t i = 0; !r.failed && number && i < HEALTH_ASKED_MAX; i++) {
		struct health_asked *asked = &health->asked[i];

		/* Only the node that was asked may answer, and only once. */
		if (asked->number != number || asked->node != node || asked->answer ||
		    rd_left(&r) > ANSWER_MAX ||
		    json_object_parse((const char *)r.at, rd_left(&r), &value, why, sizeof(why)) <
			    0)
			continue;
		json_t *list = json_object_get(value, "rules");
		asked->answer = json_is_array(list) ? json_incref(list) : json_null();
		json_decref(value);
		return;
	}
}
