# Every task of the project; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test check install uninstall bench bench-readme bless fuzz

PREFIX ?= $(HOME)/.local
# What decides on macOS how mima is signed; README.md, Install.
export PREFIX SIGNING_IDENTITY PROVISIONING_PROFILE BUNDLE_ID
ifeq ($(shell uname),Darwin)
MACOSX_DEPLOYMENT_TARGET ?= 12.0
export MACOSX_DEPLOYMENT_TARGET
INSTALL_PROGRAM = sh dist/macos/install.sh target/release/mima
SHOW_DOCTOR = sh dist/macos/doctor.sh
UNINSTALL_PROGRAM = sh dist/macos/uninstall.sh
else
INSTALL_PROGRAM = install -d '$(PREFIX)/bin' && install -m 755 target/release/mima '$(PREFIX)/bin/mima'
# systemd would start nothing from now on.
UNITS = "$${XDG_CONFIG_HOME:-$$HOME/.config}/systemd/user/mima.service"
UNINSTALL_PROGRAM = ! grep -qsF '"$(PREFIX)/bin/mima"' $(UNITS) || \
  '$(PREFIX)/bin/mima' session install --remove; rm -f '$(PREFIX)/bin/mima'
SHOW_DOCTOR =
endif
# `make fuzz`: which targets, and for how long each. It needs a nightly compiler and cargo-fuzz.
TARGET ?= $(basename $(notdir $(wildcard tests/fuzz/targets/*.rs)))
SECONDS ?= 60
# How many crates mima may pull in, on all systems together: 165, 9 for the keychain of macOS,
# and 72 that speak D-Bus on Linux. `--no-default-features` leaves those out.
DEPS_CAP := 248
# Crates that compile C, or that mima must never need.
DEPS_BANNED := cc cmake openssl-sys tokio async-std reqwest hyper

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build mima and watch a secret reach exactly one process
	@cargo build --release --locked
	@sh tests/tools/demo.sh target/release/mima

test: ## Install what the tests need, and run them all
	@sh tests/tools/install.sh
	MIMA_TEST_REQUIRE=all cargo test --locked

check: ## Formatting, lints, documentation, dependency rules
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
	@sh tests/tools/dependencies.sh $(DEPS_CAP) $(DEPS_BANNED)

install: ## Install mima, its manual page and completions under PREFIX (~/.local)
	cargo build --release --locked
	$(INSTALL_PROGRAM)
	install -d '$(PREFIX)/share/man/man1' \
	  '$(PREFIX)/share/bash-completion/completions' \
	  '$(PREFIX)/share/zsh/site-functions' '$(PREFIX)/share/fish/vendor_completions.d'
	target/release/mima man > '$(PREFIX)/share/man/man1/mima.1'
	target/release/mima completions bash > '$(PREFIX)/share/bash-completion/completions/mima'
	target/release/mima completions zsh > '$(PREFIX)/share/zsh/site-functions/_mima'
	target/release/mima completions fish > '$(PREFIX)/share/fish/vendor_completions.d/mima.fish'
	$(SHOW_DOCTOR)

uninstall: ## Take away what `make install` put there
	$(UNINSTALL_PROGRAM)
	rm -f '$(PREFIX)/share/man/man1/mima.1' \
	  '$(PREFIX)/share/bash-completion/completions/mima' \
	  '$(PREFIX)/share/zsh/site-functions/_mima' '$(PREFIX)/share/fish/vendor_completions.d/mima.fish'

bench: ## Measure, as ratios against bare programs in the same run
	@sh tests/tools/install.sh direnv ssh-agent
	cargo bench --locked --bench bench

bench-readme: ## The same, and write the tables into README.md
	@sh tests/tools/install.sh direnv ssh-agent
	cargo bench --locked --bench bench -- --readme

fuzz: ## Look for input that breaks a parser: TARGET=proc_stat SECONDS=600
	@for target in $(TARGET); do \
	  mkdir -p "target/fuzz/$$target" && \
	  cargo +nightly fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz-build "$$target" \
	    "target/fuzz/$$target" "tests/fuzz/corpus/$$target" -- -max_total_time=$(SECONDS) || exit; \
	done

bless: ## Write what mima prints now into the scenarios; read the diff
	MIMA_BLESS=1 cargo test --locked scenario
