# Every daily command. `just` lists them.

set positional-arguments

# Without `-p`, cargo resolves features for all packages at once, whatever is built: each dependency
# is compiled once for the demo, the tests and every command here.
ralph := "cargo run" + quiet + " --bin ralph --"
build_local := "cargo build" + quiet + " --bin ralph --bin ralph-loop-cloud --bin ralph-scripted-agent --bin ralph-lambda"
cargo_target := env("CARGO_TARGET_DIR", "target")
# Hints of `ralph` name recipes as they were run (cli/src/tools/invocation.rs).
export RALPH_JUST := env("RALPH_JUST", "just")
# The first build takes minutes and shows cargo's own progress.
quiet := if path_exists(cargo_target / "debug/ralph") == "true" { " --quiet" } else { "" }

[private]
default:
    @just --list --unsorted

# write terraform/ and the other generated files from ralph.toml and the types
gen *args:
    cargo run --quiet --bin generator -- "$@"

# exit 2 when a generated file differs from what `just gen` would write
gen-check:
    cargo run --quiet --bin generator -- --check

# write the numbers in docs/cost.md from the plan and the price table
gen-cost:
    RALPH_WRITE=1 cargo test --quiet --test e2e cost::

# show what `just apply` would change (--offline: without an account, network mode create only)
[no-exit-message]
plan *args:
    @{{ ralph }} plan "$@"

# create or change an environment on AWS
[no-exit-message]
apply *args:
    @{{ ralph }} apply "$@"

# remove an environment from AWS (--stop: end what runs first)
[no-exit-message]
destroy *args:
    @{{ ralph }} destroy "$@"

# try the whole path on a real account, in an environment of its own (--scratch DIR: in a local cloud)
[no-exit-message]
verify-aws *args:
    @{{ ralph }} verify-aws "$@"

# build dist/ralph-lambda.zip, the functions' code
[no-exit-message]
build-lambdas:
    @{{ ralph }} build-lambdas

# build the worker image with docker, podman or buildah (--packages "NAME …": with Debian packages)
build-worker *args:
    docker/build.sh "$@"

# push the worker image to where output `worker_image` says (--packages as above)
[no-exit-message]
push-worker *args:
    @RALPH="{{ ralph }}" docker/push.sh "$@"

# build the page into viewer/dist
build-viewer:
    cd viewer && npm ci --no-audit --no-fund && npm run build

# name what is missing or too old, with how to get it; "terraform 1.7 1.8" is Terraform 1.7 or OpenTofu 1.8
[private]
[no-exit-message]
need +programs:
    #!/usr/bin/env sh
    missing=0
    for program in "$@"; do
        case $program in
            terraform*) cli/tools/terraform.sh ${program#terraform} >/dev/null || missing=1
                continue ;;
        esac
        command -v "$program" >/dev/null && continue
        case $program in
            cargo) hint="install Rust 1.95 or later (rustup.rs)" ;;
            npm) hint="install Node.js with npm (nodejs.org)" ;;
            python3) hint="install Python 3.10 or later (python.org)" ;;
            *) hint="install it with your system's packages" ;;
        esac
        printf 'error: %s is not on PATH\nhint: %s\n' "$program" "$hint" >&2
        missing=1
    done
    exit $missing

# run the whole path once here and compare what was written with what was shown (--release: as shipped)
[no-exit-message]
demo *args: (need "cargo" "git" "python3" "terraform 1.6")
    #!/usr/bin/env sh
    set -eu
    [ -e "{{ cargo_target }}/debug/ralph" ] || echo "first run: compiling everything takes 4 to 8 minutes on two cores"
    {{ build_local }}
    exec "{{ cargo_target }}/debug/ralph" demo "$@"

# run the local cloud with the viewer until Ctrl-C
[no-exit-message]
local *args: (need "cargo" "git" "python3" "terraform 1.6" "npm")
    @{{ ralph }} local "$@"

# run `ralph` itself: run, logs, ps, stop, view, keys, cost and more (`--help` lists them)
[no-exit-message]
ralph *args:
    @{{ ralph }} "$@"

# run every test that needs no browser and no image
test: (need "cargo" "git" "git-lfs" "openssl" "python3" "terraform 1.10" "npm" "curl")
    cargo test --workspace
    cd viewer && npm ci --no-audit --no-fund && npm run typecheck && npm test

# run `just test` while one spinner per core takes all the time it can get: no test may depend on time
test-busy: (need "python3")
    python3 cli/tools/busy.py "{{ just_executable() }}" test

# rehearse with the real agent that the image pins, offline, against a scripted model
test-agent: (need "cargo" "git" "npm")
    #!/usr/bin/env sh
    set -eu
    RALPH_TEST_AGENT=$(docker/fetch-agent.sh)
    export RALPH_TEST_AGENT
    cargo test --test agent

# test the page in a real browser, with a mock server and against the real local cloud
test-browser *args:
    cd viewer && npm ci --no-audit --no-fund && npm run build && npm run test:browser -- "$@"
    viewer/test/browser/local-cloud.sh

# print a policy (docs/deploy-policy.md): network, tasks and delivery deploy; push, operate, keys
deploy-policy environment="dev" policy="network":
    #!/usr/bin/env sh
    set -eu
    file="docs/policies/$1-$2.json"
    if [ ! -e "$file" ]; then
        echo "error: there is no policy \`$2\` for environment \`$1\`: $file is missing" >&2
        echo "hint: run \`just gen\`; the policies are network, tasks, delivery, push, operate and keys" >&2
        exit 1
    fi
    cat "$file"

# run every command of docs/first-day.md, in an empty account of the local cloud
test-first-day: (need "cargo" "git" "python3" "terraform 1.6")
    #!/usr/bin/env sh
    set -eu
    RALPH_TEST_AWS=$(python3 cli/tools/install.py .tools/venv-aws <cli/tools/aws.txt)
    export RALPH_TEST_AWS RALPH_TEST_JUST="{{ just_executable() }}"
    {{ build_local }} --bin generator
    cargo test --test e2e first_day -- --ignored --nocapture

# apply, plan, change, destroy and apply again in the local cloud, with the deploy policy alone
test-lifecycle: (need "cargo" "curl" "python3" "terraform 1.6")
    python3 cli/tests/lifecycle/run.py

# kill the local cloud, the demo, the server and workers at twenty random moments (RALPH_KILLS_SEED=N: again)
test-kills: (need "cargo" "git" "python3" "terraform 1.6")
    cargo test --test e2e kills -- --ignored --nocapture

# take each action that a function is granted away, one at a time: something must fail
test-least-privilege: (need "cargo" "python3" "terraform 1.6" "curl")
    cargo test --test e2e least_privilege -- --ignored --nocapture

# scan the HCL with checkov, and judge every policy by AWS's reference of its services
test-policy: (need "cargo" "npm" "python3" "terraform 1.7 1.8")
    cli/tools/checkov.sh
    cd cli/tools/policies && npm ci --no-audit --no-fund && npm test --silent && npm run --silent check

# validate the HCL on the oldest and the newest Terraform, and run the modules' tests on the newest
test-versions *args: (need "cargo" "python3")
    python3 cli/tests/lifecycle/versions.py "$@"

# build the worker image and those of docs/images.md, and test them
test-image *args:
    docker/test-image.sh "$@"

# run the demo in containers of the image, kill it, and work on a Python and a Rust repository in another image
test-containers: (need "cargo" "git" "python3" "terraform 1.6")
    docker/test-containers.sh

# try the properties for a long time: every part, or those named
soak *parts:
    #!/usr/bin/env sh
    set -eu
    [ $# -gt 0 ] || set -- lambdas protocol worker
    for part in "$@"; do "{{ just_executable() }}" "soak-$part"; done

# 10,000 simulations of the handlers and the client rules
[private]
soak-lambdas:
    PROPTEST_CASES="${PROPTEST_CASES:-10000}" cargo test --release -p ralph-lambdas --no-default-features --test behaviour

# 10,000 of each property of the rules of reassembly, and 10,000 random worlds for both clients
[private]
soak-protocol: (need "cargo" "npm")
    PROPTEST_CASES="${PROPTEST_CASES:-10000}" RALPH_WORLDS="${RALPH_WORLDS:-10000}" cargo test --release -p ralph-protocol
    cd viewer && npm ci --no-audit --no-fund && npx vitest run test/unit/worlds.test.ts

# 500 instants at which the worker is ended, and its timetable after a signal in real time
[private]
soak-worker:
    RALPH_SOAK="${RALPH_SOAK:-500}" cargo test -p ralph-worker --test worker -- --include-ignored --nocapture soak:: by_the_timetable

# fuzz what reads data from outside, for this many seconds in all
fuzz seconds="60": (need "cargo")
    #!/usr/bin/env sh
    set -eu
    tool=.tools/cargo-fuzz/bin/cargo-fuzz
    [ -x "$tool" ] || cargo install --quiet cargo-fuzz --version 0.13.2 --locked --root .tools/cargo-fuzz
    # The sanitizer's flags are unstable; this lets the stable compiler take them.
    export RUSTC_BOOTSTRAP=1
    "$tool" build
    for target in frames message payload token; do
        echo "fuzzing $target"
        mkdir -p "fuzz/corpus/$target"
        "$tool" run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
            -max_total_time=$(($1 / 4)) -max_len=16384 -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_funcs=0 -print_final_stats=1
    done

# measure, against peers in the same run
bench *args:
    python3 bench/run.py "$@"

# format everything
fmt:
    cargo fmt --all
    cd viewer && npm run format

# check format, lints, spelling and phrases (docs/style.md)
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cd viewer && npm ci --no-audit --no-fund && npm run lint && npm run format:check
    cd docs/prose && npm ci --no-audit --no-fund && npm run check
