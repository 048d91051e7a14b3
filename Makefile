# The everyday commands. `make check` is what continuous integration asks, less the conformance suite.

CARGO ?= cargo
PYTHON ?= python3

.PHONY: help check fmt lint test chaos doc bench run eventstream sockjs interop conformance deb ci clean

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

deb:             ## a Debian package; needs cargo-deb
	$(CARGO) build --release
	mkdir -p target/man target/completions
	target/release/p-8 man > target/man/p-8.1
	for command in publish import check man completions; do \
		target/release/p-8 man $$command > target/man/p-8-$$command.1 || exit 1; done
	target/release/p-8 completions bash > target/completions/p-8.bash
	target/release/p-8 completions zsh > target/completions/_p-8
	target/release/p-8 completions fish > target/completions/p-8.fish
	$(CARGO) deb --no-build

ci:              ## everything, as continuous integration runs it
	.ci/run

clean:           ## remove what was built
	$(CARGO) clean
