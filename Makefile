# `make demo` and `make test` install what is missing, and print what they install.

# The AWS backend takes minutes to build. Builds leave it out unless AWS=1 is given.
features = $(if $(AWS),--features stereospot-controlplane/aws --features stereospot-worker/aws)

# Offline, rustup can't install the toolchain that rust-toolchain.toml pins. The stable one does if it is new enough, which
# cargo checks against rust-version.
ifneq ($(shell cargo --version >/dev/null 2>&1 && echo found),found)
export RUSTUP_TOOLCHAIN := stable
endif

.PHONY: demo build check test lint bench clean help

help:
	@echo "make demo [VIDEO=clip.mp4] [MODE=sbs]   convert a video on this machine, the dashboard open"
	@echo "make build [AWS=1]                      build the three programs into target/release, AWS=1: for AWS too"
	@echo "make check                              format, clippy, and the tests that need no service: the inner loop"
	@echo "make test                               install what the tests need, and run them"
	@echo "make lint                               format, clippy, rustdoc, cargo-deny"
	@echo "make bench                              measure, side by side with the limits"

demo: build
	@VIDEO="$(VIDEO)" MODE="$(MODE)" scripts/demo

build:
	@scripts/setup demo
	cargo build --release --locked -p stereospot -p stereospot-controlplane -p stereospot-worker $(features)

# The tests inside the crates need no root, network, service or other program.
check:
	@scripts/setup demo
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	cargo test --locked --workspace --all-features --lib --quiet

test:
	@scripts/setup test
	cargo build --locked --bins --all-features
	cargo test --locked --workspace --all-features

lint: export PATH := $(CURDIR)/.tools/bin:$(PATH)
lint:
	@scripts/setup lint
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --all-features --no-deps --document-private-items
	cargo fetch --locked
	cargo deny --offline check bans licenses sources
	@scripts/advisories

bench:
	@scripts/setup test
	cargo build --release --locked --bins
	cargo bench --locked --workspace --benches

clean:
	cargo clean
	rm -rf demo .tools
