#!/bin/sh
# Proves that lint can fail: plants one fault of each kind into a small copy of the tree and expects
# the check that is made for it to fail; the copy without a fault has to pass.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
passed=0
failed=0

fresh() {
	rm -rf "${tree:?}"/*
	mkdir -p "$tree/core" "$tree/net" "$tree/topology" "$tree/man"
	cp -r "$top/tools" "$top/.clang-format" "$tree/"
	for folder in core net topology; do
		guard=$(echo "$folder" | tr a-z A-Z)_THING_H
		printf '%s\n' '/* SPDX-License-Identifier: Apache-2.0' " * A thing of $folder, for the test of lint." \
			' * Nobody owns it.' ' * Any thread. Invariant: none.' ' */' "#ifndef $guard" "#define $guard" '' \
			"int ${folder}_thing(void);" '' '#endif' >"$tree/$folder/thing.h"
		printf '%s\n' '/* SPDX-License-Identifier: Apache-2.0 */' "#include \"$folder/thing.h\"" '' \
			"int ${folder}_thing(void)" '{' '	return 0;' '}' >"$tree/$folder/thing.c"
	done
	printf '.Dd November 1, 2026\n.Dt THING 1\n.Os\n.Sh NAME\n.Nm thing\n.Nd a thing\n' >"$tree/man/thing.1"
}

verdict() {
	if [ "$1" = "$2" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "  FAIL $3: the check $4"
		echo "$text" | sed 's/^/       /'
	fi
}

# expect CHECK WHAT: the check fails on the tree as it is now.
expect() {
	text=$(LINT_TREE=$tree TALLY='' "$top/tools/lint" "$1" 2>&1)
	verdict "$?" 1 "$2" "$1 sees nothing"
	fresh
}

lines() {
	awk -v n="$1" -v line="$2" 'BEGIN { for (i = 0; i < n; i++) print line }'
}

fresh
for check in layers sizes names style format cppcheck man scripts; do
	text=$(LINT_TREE=$tree TALLY='' "$top/tools/lint" $check 2>&1)
	verdict "$?" 0 "a clean tree" "$check fails"
done

echo '#include "net/thing.h"' >>"$tree/core/thing.c"; expect layers 'an include of a folder above'
mkdir "$tree/cli"; echo '#include "topology/thing.h"' >"$tree/cli/x.c"; expect layers 'an include of a sibling'
mkdir "$tree/other"; echo '#include "core/thing.h"' >"$tree/other/x.c"; expect layers 'a folder without a layer'
echo '#include "thing.h"' >>"$tree/net/thing.c"; expect layers 'an include without its folder'
echo '#include "net/../core/thing.h"' >>"$tree/net/thing.c"; expect layers 'an include that climbs'
sed s/CORE_/CORE2_/ "$tree/core/thing.h" >"$tree/core/thing2.h"
echo '#include "core/thing2.h"' >>"$tree/core/thing.h"
echo '#include "core/thing.h"' >>"$tree/core/thing2.h"; expect layers 'headers in a circle'
for door in uv.h sodium.h sqlite3.h confuse.h librsync.h zstd.h fuse_lowlevel.h microhttpd.h jansson.h; do
	echo "#include <$door>" >>"$tree/topology/thing.c"; expect layers "<$door> beside its door"
done
echo '#include <openssl/ssl.h>' >>"$tree/core/thing.c"; expect layers '<openssl/> beside its door'
echo '#include <cmocka.h>' >>"$tree/core/thing.c"; expect layers '<cmocka.h> outside of tests'

{ printf 'int net_long(void)\n{\n'; lines 69 '	;'; echo '}'; } >>"$tree/net/thing.c"; expect sizes 'a function of 71 lines'
lines 801 '/* */' >"$tree/net/long.c"; expect sizes 'a file of 801 lines'
lines 151 '/* */' >"$tree/net/long.h"; expect sizes 'a header of 151 lines'

echo 'int net_other(void);' >>"$tree/topology/thing.h"; expect names 'a noun of another folder'
sed s/NET_/NET2_/ "$tree/net/thing.h" >"$tree/net/thing2.h"; expect names 'a function in two headers'
printf 'struct thing {\n\tint x;\n};\n' >>"$tree/net/thing.h"
printf 'struct thing {\n\tint x;\n};\n' >>"$tree/topology/thing.h"; expect names 'a struct in two headers'

sed -i 1d "$tree/net/thing.c"; expect style 'a file without SPDX line'
sed -i '2,4d' "$tree/net/thing.h"; expect style 'a header without its comment'
sed -i '/#ifndef/d; /#define/d; /#endif/d' "$tree/net/thing.h"; expect style 'a header without guard'
sed -i 's/return 0;/goto out;\nout:\n\treturn 0;/' "$tree/net/thing.c"; expect style 'a goto'
echo 'typedef struct thing thing;' >>"$tree/net/thing.h"; expect style 'a typedef of a struct'
echo 'static int net_count;' >>"$tree/net/thing.c"; expect style 'a variable of the whole file'
echo 'static struct thing *thing = NULL;' >>"$tree/net/thing.c"; expect style 'a pointer of the whole file'

sed -i 's/return 0/return   0/' "$tree/net/thing.c"; expect format 'a line that clang-format would change'
printf 'int net_bad(void)\n{\n\tint *p = 0;\n\n\treturn *p;\n}\n' >>"$tree/net/thing.c"; expect cppcheck 'a null pointer that is read'
echo '.Bogus' >>"$tree/man/thing.1"; expect man 'an unknown macro in a manual page'
printf '#!/bin/sh\nif\n' >"$tree/tools/x"; expect scripts 'a broken shell script'
printf '#!/usr/bin/env python3\nif\n' >"$tree/tools/x"; expect scripts 'a broken Python script'

echo "lint can fail: $passed passed, $failed failed"
[ -z "${TALLY-}" ] || echo "$passed $failed lint can fail" >>"$TALLY"
[ "$failed" -eq 0 ]
