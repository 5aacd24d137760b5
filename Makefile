# The commands of a developer. `make demo` and `make test` are the two of the README.

NAME := SmolLM2-135M-Instruct.Q4_1.gguf
CACHE := $(or $(SUPMER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/supmer)
# The model of the demo and of the tests; SUPMER_MODEL names one of your own.
MODEL := $(or $(SUPMER_MODEL),$(CACHE)/models/$(NAME))
# The sentence encoder of meta-training; SUPMER_MINILM names a folder of your own.
MINILM := $(or $(SUPMER_MINILM),$(CACHE)/models/minilm)
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug
# Everything that is tested is built with these, so that nothing is compiled twice.
TESTED_FEATURES := cli,train,real-model-tests

# Where `make install` installs; LIBDIR is within PREFIX. SUDO=sudo copies as root what was built as the user.
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= lib
SUDO ?=
# What the library for other languages has beside its defaults: train.
FEATURES ?=
# Everything here is built for this machine and looked for in target/release.
unexport CARGO_BUILD_TARGET

.PHONY: help demo test test-examples test-c test-threads test-abi test-cpp test-go test-swift test-install swift-root \
	check check-report check-targets bench bench-mixed bench-bindings bench-peers bench-quality bundles results build \
	build-train library licences install dist models minilm print-model print-minilm header expected abi clean

help:
	@echo 'make demo           adapt the demo model to support tickets and predict (under 5 minutes after the build)'
	@echo 'make test           all tests, those on the real model included'
	@echo 'make test-go        the Go module and its examples'
	@echo 'make test-examples  the five programs of examples/ in Rust, their numbers compared with expected.json'
	@echo 'make test-cpp       tests of the C++ header and the examples in C and C++, also under sanitizers and valgrind'
	@echo 'make test-swift     tests of the Swift package and its examples, by a swift on PATH or that of swift-root'
	@echo 'make swift-root     make a Debian with Swift in $(CACHE)/swift-root (3 GB; needs Debian or Ubuntu, and root)'
	@echo 'make test-install   install from a clean clone and build the examples against that'
	@echo 'make test-c         C programs: plainly, under valgrind, and with AddressSanitizer and LeakSanitizer'
	@echo 'make test-threads   calls from many threads under ThreadSanitizer'
	@echo 'make test-abi       compare the header with the committed ABI'
	@echo 'make check          formatting, lints and documentation, warnings are errors'
	@echo 'make check-report   open the page of a short training run in headless Chromium and keep a screenshot'
	@echo 'make check-targets  type-check for aarch64 Linux, Android, macOS and iOS'
	@echo 'make bench          benchmarks of this library'
	@echo 'make bench-mixed    many adapters over one model: throughput and memory'
	@echo 'make bench-bindings what a call costs in each language'
	@echo 'make bench-peers    this library and PyTorch in one alternating run; PEERS_OPTIONS=--amx'
	@echo 'make bench-quality  accuracy of prompt tuning here and in PyTorch, on the labelled tasks in DATA'
	@echo 'make bundles        train the shipped bundle and its variants from CORPUS into WORK (hours); NAMES, INSTRUCTIONS, THREADS'
	@echo 'make results        measure those in WORK, or in docs/results/bundles, on the labelled tasks in DATA, what is missing'
	@echo '                    in docs/results, and write docs/RESULTS.md (hours); RESULTS=DIR keeps and writes elsewhere, and'
	@echo '                    so measures all anew; TASKS, INSTRUCTIONS, THREADS, STAGES=page (trials cells page)'
	@echo 'make install        install library, headers, pkg-config and CMake files, bundles: PREFIX, LIBDIR, DESTDIR, SUDO,'
	@echo '                    FEATURES=train for the library with supmer_train_bundle'
	@echo 'make dist           pack the same as target/dist/supmer-VERSION-SYSTEM.tar.gz'
	@echo 'make models         fetch the demo model into $(CACHE)'
	@echo 'make minilm         fetch the sentence encoder of meta-training'
	@echo 'make print-model    print where the demo model lies'
	@echo 'make header         write include/supmer.h anew'
	@echo 'make expected       write examples/expected.json anew'
	@echo 'make abi            write tests/abi/libsupmer.abi anew'
	@echo 'make clean          remove what was built; the fetched model stays'

demo: build models
	@scripts/demo.sh "$(RELEASE)/supmer" "$(MODEL)"

test: models
	@scripts/need.sh cargo cc c++
	SUPMER_MODEL="$(MODEL)" cargo test --features $(TESTED_FEATURES)

test-go: library
	@scripts/need.sh pkg-config go
	@scripts/go.sh test "$(RELEASE)"

test-examples:
	@scripts/need.sh cargo python3
	cargo build --profile test --features $(TESTED_FEATURES) --examples
	@for name in classify many_adapters cancel save_load memory_budget; do \
		scripts/check_example.sh $$name "$(DEBUG)/examples/$$name" || exit 1; \
	done

test-cpp:
	@scripts/need.sh cargo cc c++ cmake gtest python3 valgrind
	@CARGO_TARGET_DIR="$(dir $(RELEASE))" scripts/test_cpp.sh

test-install:
	@scripts/need.sh cargo cc c++ python3
	@scripts/outsider.sh

test-c:
	@scripts/need.sh cargo cc valgrind
	cargo test --features $(TESTED_FEATURES) --test c_abi --no-run
	scripts/test_c.sh "$(abspath $(DEBUG)/deps)"

# Calls from many threads under ThreadSanitizer, which wants the standard library built with it, an unstable option of the
# compiler; in a folder of its own, since everything is compiled anew.
test-threads:
	@scripts/need.sh cargo cc rust-src
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=$(or $(CARGO_TARGET_DIR),target)/threads \
		cargo test -Zbuild-std --target $$(rustc -vV | sed -n 's/^host: //p') --test predict --test c_abi threads

test-abi:
	@scripts/need.sh cc abidw
	@scripts/abi_dump.sh "$(DEBUG)/libsupmer.abi"
	abidiff tests/abi/libsupmer.abi "$(DEBUG)/libsupmer.abi"

test-swift: licences
	@SUPMER_CACHE="$(CACHE)" scripts/test_swift.sh "$(RELEASE)"

swift-root:
	@SUPMER_CACHE="$(CACHE)" scripts/swift_root.sh make

check:
	@scripts/need.sh cargo
	cargo fmt --check
	cargo clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

# A page of a short run on the tiny model, opened in headless Chromium; the screenshot is kept for a look.
check-report:
	@scripts/need.sh cargo chromium
	cargo test --features $(TESTED_FEATURES) --test train --no-run
	@scripts/check_report.sh "$(DEBUG)/supmer" "$(DEBUG)/report"

check-targets:
	@scripts/need.sh cargo
	@scripts/check_targets.sh

bench: models
	@scripts/need.sh cargo
	SUPMER_MODEL="$(MODEL)" cargo bench --features real-model-tests --bench engine

bench-mixed: models
	@scripts/need.sh cargo
	SUPMER_MODEL="$(MODEL)" cargo bench --features real-model-tests --bench mixed

bench-bindings: licences
	@scripts/need.sh cc c++ pkg-config go python3
	cargo build --release --example bench_call
	$(or $(CC),cc) -std=c11 -Wall -Wextra -pedantic -O2 -Iinclude benches/bindings/c.c \
		-L"$(RELEASE)" -lsupmer -Wl,-rpath,"$(abspath $(RELEASE))" -o "$(RELEASE)/bench_call_c"
	$(or $(CXX),c++) -std=c++17 -Wall -Wextra -pedantic -O2 -Iinclude benches/bindings/cpp.cpp \
		-L"$(RELEASE)" -lsupmer -Wl,-rpath,"$(abspath $(RELEASE))" -o "$(RELEASE)/bench_call_cpp"
	scripts/go.sh bench "$(RELEASE)"
	swift=$$(SUPMER_CACHE="$(CACHE)" scripts/bench_swift.sh "$(RELEASE)") && \
		SUPMER_CACHE="$(CACHE)" python3 benches/bindings/run.py Rust="$(RELEASE)/examples/bench_call" \
			C="$(RELEASE)/bench_call_c" C++="$(RELEASE)/bench_call_cpp" Go="$(RELEASE)/bench_call_go" $${swift:+Swift="$$swift"}

bench-peers: models
	@scripts/need.sh cargo cc python3 pip
	cargo build --release --features train --example bench_worker
	SUPMER_CACHE="$(CACHE)" benches/peers/setup.sh "$(MODEL)" >&2
	SUPMER_CACHE="$(CACHE)" "$(CACHE)/peers-venv/bin/python" benches/peers/run.py \
		--gguf "$(MODEL)" --supmer "$(RELEASE)/examples/bench_worker" $(PEERS_OPTIONS)

bench-quality: build models
	@[ -n "$(DATA)" ] || { echo 'DATA=DIR is missing: folders with task.json, train.jsonl and test.jsonl' >&2; exit 2; }
	SUPMER_CACHE="$(CACHE)" benches/peers/setup.sh "$(MODEL)"
	SUPMER_CACHE="$(CACHE)" benches/peers/quality.sh "$(RELEASE)/supmer" "$(MODEL)" "$(DATA)"

# Corpus and labelled tasks are not part of this repository: bundles/README.md says where the corpus comes from, and any
# folder of tasks will do for results, with their names in TASKS and a RESULTS of its own.
bundles: build-train models minilm
	@[ -n "$(CORPUS)" ] && [ -n "$(WORK)" ] || { echo 'CORPUS=DIR or WORK=DIR is missing' >&2; exit 2; }
	scripts/train_bundles.sh "$(RELEASE)/supmer" "$(MODEL)" "$(MINILM)" "$(CORPUS)" "$(WORK)" $(NAMES)

results: build-train models minilm
	@[ "$(STAGES)" = page ] || [ -n "$(DATA)" ] || { echo 'DATA=DIR is missing; STAGES=page does without' >&2; exit 2; }
	scripts/measure_quality.sh "$(RELEASE)/supmer" "$(MODEL)" "$(MINILM)" "$(DATA)" \
		"$(if $(WORK),$(WORK)/bundles,docs/results/bundles)" $(STAGES)

build-train:
	@scripts/need.sh cargo cc
	cargo build --release --features cli,train --bin supmer

build:
	@scripts/need.sh cargo cc
	cargo build --release --features cli --bin supmer

# The shared library and the archive that other languages link to.
library:
	@scripts/need.sh cargo cc
	cargo build --release --lib --locked $(if $(FEATURES),--features "$(FEATURES)")
	@[ ! -f "$(RELEASE)/libsupmer.so" ] || ln -sf libsupmer.so "$(RELEASE)/libsupmer.so.0"

licences: library
	@scripts/need.sh python3
	@scripts/licences.py --out "$(RELEASE)/THIRD-PARTY.txt" --features "$(FEATURES)"

install: licences
	@$(SUDO) scripts/install.py --built "$(RELEASE)" --prefix "$(PREFIX)" --libdir "$(LIBDIR)" --destdir "$(or $(DESTDIR),/)"

dist: licences
	@scripts/dist.py --built "$(RELEASE)" --out "$(dir $(RELEASE))dist"

models:
	@[ -f "$(MODEL)" ] || { scripts/need.sh python3 pip && python3 scripts/fetch_model.py "$(MODEL)"; }

minilm:
	@scripts/need.sh python3 pip && python3 scripts/fetch_minilm.py "$(MINILM)"

print-model:
	@echo "$(MODEL)"

print-minilm:
	@echo "$(MINILM)"

header:
	@scripts/need.sh cargo
	SUPMER_UPDATE_HEADER=1 cargo test --features $(TESTED_FEATURES) --test c_abi header

expected:
	@scripts/need.sh cargo python3
	cargo build --profile test --features $(TESTED_FEATURES) --examples
	@scripts/write_expected.py "$(DEBUG)/examples"

abi:
	@scripts/need.sh cc abidw
	scripts/abi_dump.sh tests/abi/libsupmer.abi

clean:
	@scripts/need.sh cargo
	cargo clean
