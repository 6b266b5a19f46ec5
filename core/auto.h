/* SPDX-License-Identifier: Apache-2.0
 * Scope clean-up: a variable marked AUTO_x releases what it holds when its scope ends.
 * The scope owns it until take_ptr()/take_fd() hands it on.
 * Any thread. Invariant: a taken variable is NULL or -1, so the clean-up does nothing.
 */
#ifndef CORE_AUTO_H
#define CORE_AUTO_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void auto_free_(void *p)
{
	free(*(void **)p);
}

static inline void auto_close_(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void auto_unlock_(pthread_mutex_t **m)
{
	if (*m)
		(void)pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *lock_(pthread_mutex_t *m)
{
	if (pthread_mutex_lock(m) != 0)
		abort();
	return m;
}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define AUTO_FREE  __attribute__((cleanup(auto_free_)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close_)))

/* Holds the mutex until the end of the scope. */
#define AUTO_LOCK(name, mutex)                                                                     \
	__attribute__((cleanup(auto_unlock_), unused)) pthread_mutex_t *name = lock_(mutex)

#define take_ptr(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

#endif
