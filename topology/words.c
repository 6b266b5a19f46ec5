/* SPDX-License-Identifier: Apache-2.0
 * The words of the contract: one table for each number in tns.h.
 */
#include "topology/tns.h"

#define TABLE_SIZE(table) (sizeof(table) / sizeof((table)[0]))

static const char *text_at(const char *const *table, size_t size, unsigned int at)
{
	return at < size && table[at] ? table[at] : "?";
}

const char *tns_state_word(enum tns_state state)
{
	static const char *const words[] = {
		[TNS_ALIVE] = "alive",       [TNS_SUSPECT] = "suspect",
		[TNS_DOWN] = "down",         [TNS_LEFT] = "left",
		[TNS_CORDONED] = "cordoned", [TNS_DRAINING] = "draining",
		[TNS_DRAINED] = "drained",   [TNS_MAINTENANCE] = "maintenance",
		[TNS_ISOLATED] = "isolated", [TNS_REMOVED] = "removed",
	};

	return text_at(words, TABLE_SIZE(words), state);
}

const char *tns_cause_text(enum tns_cause cause)
{
	static const char *const texts[] = {
		[TNS_CAUSE_NONE] = "nothing is known of it yet",
		[TNS_CAUSE_HEARD] = "it hears and is heard",
		[TNS_CAUSE_QUIET] = "it has fallen silent, or its connection broke, a moment ago",
		[TNS_CAUSE_SILENT] = "the majority of the members agrees that it is silent",
		[TNS_CAUSE_REFUSED] = "its host answers, but no daemon runs there",
		[TNS_CAUSE_STOPPED] = "it said that it stops",
		[TNS_CAUSE_UNDECIDED] =
			"it is silent, and those who are left are too few to tell whether it is "
			"down or they are cut off; a witness on a third machine could tell",
		[TNS_CAUSE_DEAF] = "it is heard, but says itself that it hears nobody",
		[TNS_CAUSE_MINORITY] = "it reaches at most half of the members",
		[TNS_CAUSE_PLANNED] = "a downtime is set for it",
		[TNS_CAUSE_FLEET] = "it is no member of the fleet any more",
	};

	return text_at(texts, TABLE_SIZE(texts), cause);
}

const char *tns_edge_text(enum tns_edge edge)
{
	static const char *const texts[TNS_EDGES] = {
		[TNS_EDGE_NONE] = "has no opinion",
		[TNS_EDGE_HEARS] = "hears it",
		[TNS_EDGE_QUIET] = "does not hear it at the moment",
		[TNS_EDGE_SILENT] = "hears nothing of it",
		[TNS_EDGE_REFUSED] = "is refused by its host: no daemon runs there",
	};

	return text_at(texts, TABLE_SIZE(texts), edge);
}
