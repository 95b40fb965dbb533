# The commands of this project; .ci/run calls the same ones.
.PHONY: dist demo test upgrade simulate test-cluster test-faults figures memory test-sdk test-browser test-console test-docs console-load check fmt gen release measured bench counts

CARGO ?= cargo

# Sandbox, gateway and health in one process, nothing to configure. Ctrl-C ends it.
demo:
	$(CARGO) run --profile demo --locked -p wxgate -- demo $(ARGS)

# Every test; those of the store and of the gateway once more on a PostgreSQL of its own, if one is installed here. One
# profile with `make demo`, so that what one built the other uses.
ON_POSTGRES = crates/wxgate/tests/with-postgres $(CARGO) test --profile demo --locked -p wxgate
test:
	$(CARGO) test --workspace --profile demo --locked
	$(ON_POSTGRES) --lib -- store::suite store::pg
	$(ON_POSTGRES) --test it

# The store's suite of the version before, on the schema of this one; BEFORE=REVISION for another.
upgrade:
	CARGO="$(CARGO)" crates/wxgate/tests/upgrade $(BEFORE)

# 200 schedules of three nodes in trouble, on PostgreSQL; WXGATE_SEED=N begins elsewhere.
simulate:
	WXGATE_SEEDS=$(or $(SEEDS),200) $(ON_POSTGRES) --test it -- simulation --nocapture

# Three real nodes on a durable PostgreSQL, each in a network of its own where we are root: WHAT="faults 600", failover,
# "rolling [BINARY BEFORE]", "expiry 10000", "expiry-faults 600 5", "handover 10000".
CLUSTER = faults failover rolling expiry expiry-faults handover
test-cluster:
	$(CARGO) build --profile demo --locked -p wxgate --bin wxgate
	@for what in $(if $(WHAT),"$(WHAT)",$(CLUSTER)); do \
		echo "== $$what"; python3 crates/wxgate/tests/cluster $(TARGET)/demo/wxgate $$what || exit 1; \
	done

# Kills, broken disks, locks and stops of the real binary; prints what it measured.
test-faults:
	$(CARGO) test --profile demo --locked -p wxgate --test faults -- --ignored --nocapture --test-threads 1

# Figures that ARCHITECTURE.md speaks of; judges nothing.
figures:
	$(CARGO) test --profile demo --locked -p wxgate --lib -- --ignored --nocapture figures

# What a gateway holds after a burst of 2,000 calls with 1 MiB each; judges nothing.
memory:
	$(CARGO) build --profile demo --locked -p wxgate --bin wxgate
	python3 crates/wxgate/tests/memory.py target/demo/wxgate

# The console built anew, compared, and walked through (console/run).
test-console:
	$(CARGO) build --profile demo --locked -p wxgate --bin wxgate
	WXGATE_BIN=$(TARGET)/demo/wxgate console/run

# The manual: its links, both languages, names, and every command that it shows (docs/check).
test-docs:
	$(if $(BIN),,$(CARGO) build --profile demo --locked -p wxgate --bin wxgate)
	python3 docs/check $(or $(BIN),$(TARGET)/demo/wxgate)

# The console while 1,000 messages a second come in, for a minute; judges nothing.
console-load:
	$(CARGO) build --profile demo --locked -p wxgate --bin wxgate
	WXGATE_BIN=$(TARGET)/demo/wxgate node console/tests/load.mjs

# A real browser logs in (browser-tests/).
test-browser:
	CARGO="$(CARGO)" browser-tests/run

# Real SDKs against gateway and sandbox; needs their registries once.
test-sdk:
	CARGO="$(CARGO)" sdk-tests/run

# Format, lints, docs, licences and the files in deploy/. What a machine lacks is said and skipped.
check:
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --all --check; else echo "skipped: no rustfmt here"; fi
	@if $(CARGO) clippy --version >/dev/null 2>&1; then \
		$(CARGO) clippy --workspace --all-targets --locked -- -D warnings; \
	else echo "skipped: no clippy here"; fi
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked --quiet
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked check bans licenses sources; \
	else echo "skipped: no cargo-deny here"; fi
	deploy/check

fmt:
	$(CARGO) fmt --all

# Files written from the code; a test fails when they are stale.
gen:
	$(CARGO) run --profile demo --quiet -p wxgate -- openapi --lang zh > openapi.json.new
	mv openapi.json.new openapi.json
	$(CARGO) run --profile demo --quiet -p wxgate -- errors --lang zh > docs/errors.md.new
	mv docs/errors.md.new docs/errors.md
	$(CARGO) run --profile demo --quiet -p wxgate -- errors --lang en > docs/errors.en.md.new
	mv docs/errors.en.md.new docs/errors.en.md
	$(CARGO) run --profile demo --quiet -p wxgate -- sandbox shapes > crates/wechat/src/shapes.json.new
	mv crates/wechat/src/shapes.json.new crates/wechat/src/shapes.json

# Static programs for x86-64 and arm64, archives, checksums, what is in them, an image's files: target/dist. --twice compares two builds.
dist:
	deploy/dist $(ARGS)

release:
	$(CARGO) build --release --locked -p wxgate

# What counts and benchmarks measure.
TARGET = $(abspath $(or $(CARGO_TARGET_DIR),target))
MEASURED = WXGATE_BIN=$(TARGET)/release/wxgate WXGATE_DECODE_BIN=$(TARGET)/release/examples/decode
measured: release
	$(CARGO) build --release --locked -p wechat --example decode

# Instructions a request, against bench/counts.json; needs valgrind.
counts: measured
	$(MEASURED) bench/counts.py $(ARGS)

# wxgate beside its yardsticks in one run, the results in bench/results; needs wrk, and says which yardsticks it lacks.
# FIGURES="token pass": only these, into a file of their own.
bench: measured
	$(CARGO) test --release --locked -p wxgate --lib --no-run
	WXGATE_FIGURES_BIN=$$($(CARGO) test --release --locked -p wxgate --lib --no-run 2>&1 | sed -n 's/.*(\(.*\))$$/\1/p' | tail -n 1) \
		$(MEASURED) bench/run.py --out bench/results/$(shell date +%F)$(if $(FIGURES),-part).md $(FIGURES)
