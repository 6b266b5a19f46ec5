/* SPDX-License-Identifier: Apache-2.0 */
#include "core/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

void memory_begin(void)
{
	(void)mallopt(M_ARENA_MAX, MEMORY_HEAPS);
	(void)mallopt(M_MMAP_THRESHOLD, (int)MEMORY_PAGES_FROM);
}

void memory_trim(void)
{
	(void)malloc_trim(0);
}

uint64_t memory_resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%*s %llu", &pages) != 1)
		pages = 0;
	(void)fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
