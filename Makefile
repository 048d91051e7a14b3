# The everyday commands. `make check` is what continuous integration asks, less the conformance suite.

CARGO ?= cargo
PYTHON ?= python3
BUILT = $(or $(CARGO_TARGET_DIR),target)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

.PHONY: help check fmt lint test chaos fuzz soak doc bench run eventstream sockjs interop conformance static deb packages ci clean

help:            ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

check: lint test doc  ## format, lints, tests, docs

fmt:             ## format the sources
	$(CARGO) fmt

lint:            ## formatting and clippy, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

test:            ## unit and integration tests, and the embedding crate's
	$(CARGO) test
	$(CARGO) test --manifest-path tests/embed_consumer/Cargo.toml --target-dir target/embed_consumer

chaos:           ## whatever can fail, at random, under 5,000 held clients for 5 minutes
	P8_CHAOS_CLIENTS=$${P8_CHAOS_CLIENTS:-5000} P8_CHAOS_SECS=$${P8_CHAOS_SECS:-300} \
		$(CARGO) test --test main -- chaos:: --nocapture

fuzz:            ## every parser under ever new input, for about an hour; needs a nightly toolchain
	fuzz/run.sh

soak:            ## a million clients in turns, and 10,000 held for an hour with churn
	bench/soak.sh

doc:             ## API documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

run:             ## P-8 on port 7999 with the shipped configuration
	$(CARGO) run --release -- p-8.toml

bench:           ## the end-to-end measurements, one after another
	bench/hold.sh
	bench/fanout.sh
	bench/proxy.sh
	bench/publish.sh
	bench/poll.sh
	bench/ws_hold.sh
	bench/ws_fanout.sh
	bench/ws_echo.sh

eventstream:     ## Django's event streams to clients that come and go, from the release build
	$(CARGO) build --release
	$(PYTHON) tests/eventstream/run.py

sockjs:          ## SockJS's own client, and plain requests, against the release build
	$(CARGO) build --release
	$(PYTHON) tests/sockjs/run.py

interop:         ## WebSocket libraries that others use, through the release build
	$(CARGO) build --release
	$(PYTHON) tests/interop/run.py

conformance:     ## the black-box suite, against the release build
	$(CARGO) build --release
	$(PYTHON) .ci/conformance.py

static:          ## one program that needs no library, as images have it: target/static/p-8
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release --locked --target $(HOST)
	mkdir -p target/static
	strip -o target/static/p-8 $(BUILT)/$(HOST)/release/p-8

deb:             ## a Debian package in target/debian; needs cargo-deb
	$(CARGO) build --release --locked
	packaging/describe $(BUILT)/release/p-8 target/describe
	$(CARGO) deb --no-build --output target/debian/

packages:        ## the static program in an empty root, the Debian package as a service; as root
	$(MAKE) static deb
	$(PYTHON) tests/packaging/empty_root.py target/static/p-8
	$(PYTHON) tests/packaging/service.py target/debian/p-8_*.deb

ci:              ## everything, as continuous integration runs it
	.ci/run

clean:           ## remove what was built
	$(CARGO) clean
