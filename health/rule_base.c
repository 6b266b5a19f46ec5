/* SPDX-License-Identifier: Apache-2.0
 * The baseline that holds with no settings at all. Settings of any scope change it field by field.
 */
#include "health/rule.h"

const char rule_base_text[] =
	"rule \"cpu.load\"         { check = {load, 5}  warn = \"> 4\" crit = \"> 10\" clear = \"< "
	"3\" }\n"
	"rule \"cpu.pressure\"     { check = {pressure, cpu}  warn = \"> 80\" clear = \"< 60\" }\n"
	"rule \"memory.available\" { check = memory  warn = \"< 10\" crit = \"< 4\" clear = \"> "
	"12\" }\n"
	"rule \"memory.pressure\"  { check = {pressure, memory}  warn = \"> 20\" crit = \"> 60\"\n"
	"                          clear = \"< 10\" code = 203 }\n"
	"rule \"io.pressure\"      { check = {pressure, io}  warn = \"> 80\" clear = \"< 60\" code "
	"= 305 }\n"
	"rule \"disk.root\"        { check = {space, \"/\"}  clear = \"> 12\" }\n"
	"rule \"disk.root-inodes\" { check = {inodes, \"/\"}  clear = \"> 12\" }\n"
	"rule \"disk.root-write\"  { check = {writable, \"/\"} }\n"
	"rule \"disk.state\"       { check = {space, \"{state}\"}  clear = \"> 12\" crit-effect = "
	"no-new }\n"
	"rule \"net.link\"         { check = {link, default}  fault = warn }\n"
	"rule \"pool.conflicts\"   { check = {pool-conflicts, \"{pool}\"} }\n"
	"rule \"pool.inodes\"      { check = {inodes, \"{backing}\"}  clear = \"> 12\" crit-effect "
	"= no-new }\n"
	"rule \"pool.lag\"         { check = {pool-lag, \"{pool}\"}  clear = \"< 30\" crit-effect "
	"= no-new }\n"
	"rule \"pool.mount\"       { check = {mount, \"{mount}\"}  crit-effect = withdraw }\n"
	"rule \"pool.space\"       { check = {space, \"{backing}\"}  clear = \"> 12\" crit-effect "
	"= no-new }\n"
	"rule \"pool.sync\"        { check = {pool-sync, \"{pool}\"}  fault = warn enter = \"10 of "
	"10\" }\n"
	"rule \"pool.write\"       { check = {writable, \"{backing}\"}  crit-effect = read-only }\n"
	"rule \"time.clock\"       { check = clock  fault = warn }\n";
