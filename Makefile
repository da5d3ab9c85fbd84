# SPDX-License-Identifier: MIT
# The short way to everything; Meson does the work.  `make`, `make demo`, `make check`,
# `make install` (PREFIX, DESTDIR), `make bench`, `make fuzz` (FUZZ_SECONDS), `make clean`.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 300
SETUP ?=

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet
	@[ ! -x $(BUILD)/letterwing ] || echo "built $(BUILD)/letterwing"

demo: all
	@$(BUILD)/examples/demo

check: check-deps
	@[ ! -f $(BUILD)/build.ninja ] || meson configure $(BUILD) --clearcache >/dev/null
	@$(MAKE) --no-print-directory all
	@tools/run-tests $(BUILD)

install: all
	@meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX)) >/dev/null
	@DESTDIR="$(if $(DESTDIR),$(abspath $(DESTDIR)))" meson install -C $(BUILD) --quiet
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" -ne 0 ] || ldconfig

bench: | build-deps
	@[ -f $(BUILD)-bench/build.ninja ] || meson setup $(BUILD)-bench --buildtype=release
	@bench/run $(BUILD)-bench

fuzz:
	@tools/install-deps build check
	@tests/fuzz/run $(FUZZ_SECONDS)

clean:
	rm -rf $(BUILD) build-*

$(BUILD)/build.ninja: | build-deps
	@meson setup $(BUILD) --prefix=$(abspath $(PREFIX)) $(SETUP)

build-deps:
	@tools/install-deps build

check-deps:
	@tools/install-deps build check
	@tools/fetch-servers || [ $$? -eq 77 ]

.NOTPARALLEL:
.PHONY: all demo check install bench fuzz clean build-deps check-deps
