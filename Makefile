# `make demo` and `make test` install what is missing, and print what they install.

# The AWS backend takes minutes to build. Builds leave it out unless AWS=1 is given.
features = $(if $(AWS),--features stereospot-controlplane/aws --features stereospot-worker/aws)

.PHONY: demo build test lint bench clean help

help:
	@echo "make demo [VIDEO=clip.mp4] [MODE=sbs]   convert a video on this machine, the dashboard open"
	@echo "make build [AWS=1]                      build the three programs into target/release, AWS=1: for AWS too"
	@echo "make test                               install what the tests need, and run them"
	@echo "make lint                               format, clippy, cargo-deny"
	@echo "make bench                              measure, side by side with the limits"

demo: build
	@VIDEO="$(VIDEO)" MODE="$(MODE)" scripts/demo

build:
	@scripts/setup demo
	cargo build --release --locked -p stereospot -p stereospot-controlplane -p stereospot-worker $(features)

test:
	@scripts/setup test
	cargo build --locked --bins --all-features
	cargo test --locked --workspace --all-features

lint:
	@scripts/setup lint
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	cargo fetch --locked
	PATH="$(CURDIR)/.tools/bin:$$PATH" cargo deny --offline check bans licenses sources

bench:
	@scripts/setup test
	cargo build --release --locked --bins
	cargo bench --locked --workspace --benches

clean:
	cargo clean
	rm -rf demo .tools
