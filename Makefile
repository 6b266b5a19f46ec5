# SPDX-License-Identifier: Apache-2.0
# One Makefile for the whole tree. `make help` lists the targets.
#   SAN=address,undefined or SAN=thread   another flavour, in its own folder below build/
#   WERROR=                               warnings are only warnings (for packagers)
#   V=1                                   show the commands

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
SHELL     := /bin/sh
CC        := gcc
WERROR    := -Werror
SAN       :=
comma     := ,
FLAVOUR   := $(if $(SAN),$(subst $(comma),-,$(SAN)),plain)
B         := build/$(FLAVOUR)
P         := $(if $(SAN),$(B)/)
Q         := $(if $(V),,@)

prefix    := /usr
bindir    := $(prefix)/bin
sbindir   := $(prefix)/sbin
mandir    := $(prefix)/share/man
unitdir   := /lib/systemd/system
DESTDIR   :=

# ---- what is built from what
FOLDERS   := core net topology health replication fuse dnsbridge dbshim packages status
PROGRAMS  := takeconnector multiall mountall mount.multiall
MAINS     := $(patsubst %,cli/%.c,multiall mountall mount.multiall)
sources    = $(filter-out %_test.c,$(wildcard $(1)/*.c))
DAEMON_C  := takeconnector.c $(foreach f,$(FOLDERS),$(call sources,$(f)))
CLI_C     := $(filter-out $(MAINS),$(call sources,cli)) $(call sources,core)
ALL_C     := $(wildcard *.c $(addsuffix /*.c,$(FOLDERS) cli tests/lib tests/sim tests/tns tests/fuzz))
ALL_H     := $(wildcard $(addsuffix /*.h,$(FOLDERS) cli tests/lib tests/sim tests/tns tests/fuzz))
TESTS     := $(patsubst %.c,%,$(wildcard $(addsuffix /*_test.c,$(FOLDERS) cli tests/lib tests/sim)))
SIMS      := $(patsubst %.c,%,$(wildcard tests/*/*_sim.c))
FUZZ      := $(patsubst tests/fuzz/%.c,%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))

# ---- how. Before `make deps` has run there is no pkg-config: then these stay empty.
LIBS      := fuse3 libssl libcrypto libsodium sqlite3 libmicrohttpd libuv libconfuse \
	     jansson libzstd libxxhash libsystemd
CLI_LIBS  := libsodium sqlite3 libuv libconfuse jansson
HAVE_PC   := $(shell command -v pkg-config)
pc         = $(if $(HAVE_PC),$(shell pkg-config $(1) $(2) 2>/dev/null))
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OPT       := $(if $(SAN),-O1,-O2) -g
WARN      := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	     -Wformat=2 -Wvla $(WERROR)
HARDEN    := -fPIE -fstack-protector-strong $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
CPPFLAGS  := -I. -D_GNU_SOURCE
CFLAGS    := -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(SAN_FLAGS) -pthread
PC_CFLAGS := $(call pc,--cflags,$(LIBS) cmocka)
LDFLAGS   := -pie -pthread $(SAN_FLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed
# librsync has no .pc file
LDLIBS    := $(call pc,--libs,$(LIBS)) -lrsync -lm
CLI_LDLIBS := $(call pc,--libs,$(CLI_LIBS))
TEST_LDLIBS := $(LDLIBS) $(call pc,--libs,cmocka)

.PHONY: all deps check unit replay sim e2e lint format bench fuzz demo install clean help
.SECONDARY:
.DELETE_ON_ERROR:

all: $(addprefix $(P),$(PROGRAMS))

$(P)takeconnector: $(DAEMON_C:%.c=$(B)/%.o)
	$(call link,$(LDLIBS))
$(addprefix $(P),$(filter-out takeconnector,$(PROGRAMS))): $(P)%: $(B)/cli/%.o $(CLI_C:%.c=$(B)/%.o)
	$(call link,$(CLI_LDLIBS))

define link
	@echo "  LD  $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(1)
endef

# FLAGS changes when a flag does, so that everything is built again then.
$(B)/%.o: %.c $(B)/FLAGS
	@echo "  CC  $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(PC_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/FLAGS: FORCE
	@command -v $(CC) >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists $(LIBS) || \
		{ echo 'Something to build with is missing; as root: make deps'; exit 1; }
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(subst ','\'',$(CC) $(CPPFLAGS) $(CFLAGS) $(PC_CFLAGS))' >$@.new; \
		cmp -s $@ $@.new && rm $@.new || mv $@.new $@
FORCE:

# ---- tests. tools/test-links reads the `links:` comment of each test and writes what it is made of.
ifneq ($(TESTS)$(SIMS)$(FUZZ),)
$(shell mkdir -p build && tools/test-links >build/links.mk.$$PPID && mv build/links.mk.$$PPID build/links.mk)
include build/links.mk
endif
TEST_BINS   := $(addprefix $(B)/,$(TESTS))
SIM_BINS    := $(addprefix $(B)/,$(SIMS))
REPLAY_BINS := $(addprefix $(B)/replay/,$(FUZZ))

$(TEST_BINS) $(SIM_BINS): $(B)/%: $(B)/%.o
	$(call link,$(TEST_LDLIBS))
$(REPLAY_BINS): $(B)/replay/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o
	$(call link,$(LDLIBS))

unit: $(TEST_BINS)
	@tools/run-tests --name 'unit $(FLAVOUR)' $(TEST_BINS)
sim: $(SIM_BINS)
	@SEED='$(SEED)' tools/run-tests --name 'sim $(FLAVOUR)' $(SIM_BINS)
replay: $(REPLAY_BINS)
	@tools/run-tests --name 'replay $(FLAVOUR)' --seeds tests/fuzz/seeds $(REPLAY_BINS)
e2e: all
	@tests/e2e/run $(CASES)
lint:
	@tools/lint
check:
	@tools/check

# `make fuzz` lists the targets; `make fuzz T=frame SECONDS=60` runs one with clang's libFuzzer.
SECONDS := 60
fuzz:
ifeq ($(T),)
	@echo "make fuzz T=NAME [SECONDS=60], NAME one of: $(FUZZ)"
else
	@tools/deps fuzz
	$(Q)mkdir -p build/fuzz/corpus/$(T)
	clang $(CPPFLAGS) -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined $(PC_CFLAGS) -pthread \
		-o build/fuzz/$(T) tests/fuzz/$(T).c $(LINKS_tests/fuzz/$(T)) $(LDLIBS)
	build/fuzz/$(T) -max_total_time=$(SECONDS) -artifact_prefix=build/fuzz/ \
		build/fuzz/corpus/$(T) $(wildcard tests/fuzz/seeds/$(T))
endif

# ---- the rest
deps:
	@tools/deps
format:
	@tools/deps
	clang-format -i $(ALL_C) $(ALL_H)
demo:
	@tools/deps
	@$(MAKE) --no-print-directory all
	@tools/demo
bench:
	@tools/deps
	@$(MAKE) --no-print-directory all
	@tools/bench $(ROWS)
install: all
	install -d $(addprefix $(DESTDIR),$(bindir) $(sbindir) $(unitdir))
	install -m 755 multiall $(DESTDIR)$(bindir)
	install -m 755 takeconnector mountall mount.multiall $(DESTDIR)$(sbindir)
	install -m 644 $(wildcard systemd/*.service) $(DESTDIR)$(unitdir)
	install -D -m 644 tools/completion.bash \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/multiall
	set -e; for page in $(wildcard man/*.[1-8]); do \
		install -D -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}; done
clean:
	rm -rf build $(PROGRAMS)
help:
	@echo 'all deps demo check unit replay sim SEED= e2e CASES= lint format bench ROWS= fuzz T= install DESTDIR= clean'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
