/* SPDX-License-Identifier: Apache-2.0 */
#include "core/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/auto.h"
#include "core/units.h"

int address_split(const char *text, uint16_t port_default, char *ret_host, size_t size,
		  uint16_t *ret_port)
{
	const char *host = text;
	const char *colon = strrchr(text, ':');
	size_t length = strlen(text);
	uint64_t port = port_default;

	if (text[0] == '[') {
		const char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		host = text + 1;
		length = (size_t)(close - host);
		colon = close[1] ? close + 1 : NULL;
	} else if (colon && strchr(text, ':') == colon) {
		length = (size_t)(colon - text);
	} else {
		colon = NULL; /* no port, or IPv6 without brackets */
	}
	if (colon && count_parse(colon + 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	if (length == 0 || length >= size || port == 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		/* What may stand in a name or a numeric address, %interface included. */
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%",
			    host[i]))
			return -EINVAL;
	}
	memcpy(ret_host, host, length);
	ret_host[length] = '\0';
	*ret_port = (uint16_t)port;
	return 0;
}

void address_join(const char *host, uint16_t port, char *ret, size_t size)
{
	bool v6 = strchr(host, ':') != NULL;

	(void)snprintf(ret, size, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "",
		       (unsigned int)port);
}

int address_socket(const char *host, uint16_t port, struct sockaddr_storage *ret,
		   socklen_t *ret_size)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*ret_size = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*ret_size = sizeof(*v6);
		return 0;
	}
	return -EINVAL;
}

int address_unix(const char *path, struct sockaddr_un *ret, int *ret_dir)
{
	const char *slash = strrchr(path, '/');

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	*ret_dir = -1;
	if (strlen(path) < sizeof(ret->sun_path)) {
		memcpy(ret->sun_path, path, strlen(path) + 1);
		return 0;
	}
	AUTO_FREE char *dir = slash ? strndup(path, (size_t)(slash - path)) : NULL;
	if (!dir)
		return slash ? -ENOMEM : -ENAMETOOLONG;
	AUTO_CLOSE int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d%s", fd, slash);
	if (n < 0 || (size_t)n >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret_dir = take_fd(&fd);
	return 0;
}

bool address_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int numeric(const struct sockaddr *address, socklen_t length, char *ret, size_t size)
{
	if (getnameinfo(address, length, ret, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
		return -EADDRNOTAVAIL;
	return 0;
}

/* Connecting a datagram socket makes the kernel choose route and source address; nothing is sent.
 * The far ends are of the blocks reserved for documentation (RFC 5737, RFC 3849). */
static int source_of_default_route(const char *far, char *ret, size_t size)
{
	struct sockaddr_storage to;
	struct sockaddr_storage own = {0};
	socklen_t length;
	int r = address_socket(far, 9, &to, &length);

	if (r < 0)
		return r;
	AUTO_CLOSE int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, length) < 0)
		return -errno;
	length = sizeof(own);
	if (getsockname(fd, (struct sockaddr *)&own, &length) < 0)
		return -errno;
	r = numeric((struct sockaddr *)&own, length, ret, size);
	return r == 0 && address_loopback(ret) ? -EADDRNOTAVAIL : r;
}

static bool usable(const struct ifaddrs *entry, int family)
{
	if (!entry->ifa_addr || entry->ifa_addr->sa_family != family)
		return false;
	if ((entry->ifa_flags & (IFF_UP | IFF_LOOPBACK)) != IFF_UP)
		return false;
	if (family == AF_INET)
		return true;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)entry->ifa_addr;
	return !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
}

static int first_interface(int family, char *ret, size_t size)
{
	struct ifaddrs *all = NULL;
	int r = -EADDRNOTAVAIL;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (struct ifaddrs *entry = all; entry && r < 0; entry = entry->ifa_next) {
		if (usable(entry, family))
			r = numeric(entry->ifa_addr,
				    family == AF_INET ? sizeof(struct sockaddr_in)
						      : sizeof(struct sockaddr_in6),
				    ret, size);
	}
	freeifaddrs(all);
	return r;
}

int address_own(char *ret, size_t size)
{
	if (source_of_default_route("198.51.100.1", ret, size) == 0)
		return 0;
	if (first_interface(AF_INET, ret, size) == 0)
		return 0;
	if (source_of_default_route("2001:db8::1", ret, size) == 0)
		return 0;
	return first_interface(AF_INET6, ret, size);
}
