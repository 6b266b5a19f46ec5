/* SPDX-License-Identifier: Apache-2.0
 * The version of this program, in one place.
 * Nobody owns anything here.
 * Any thread. Invariant: debian/changelog and CHANGELOG.md name the same number.
 */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#define MULTIALL_VERSION "0.1.0"

#endif
