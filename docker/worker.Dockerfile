# The worker's image: the loop, the agent, and what an agent's work usually needs.
#
# Both bases are pinned by an exact version. To pin them by digest too, pass
#   --build-arg NODE_IMAGE=docker.io/library/node@sha256:… --build-arg RUST_IMAGE=…
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm
ARG NODE_IMAGE=docker.io/library/node:24.9.0-bookworm-slim
# The agent, and what the registry says about its two packages: change the three together.
ARG CLAUDE_CODE_VERSION=2.1.331
ARG CLAUDE_CODE_INTEGRITY_X64=sha512-IpvZ9c/NopO/sr8ThWLVAUDXVAFT3auLWrhbR6wq1dgkuJfZYdTtoXf6GajE5KL9R58iTt/86OPXrJAsM4+l8g==
ARG CLAUDE_CODE_INTEGRITY_ARM64=sha512-zy+OOB7i1J7rCjNoPB2ZBD7EAtT0Eus1wH+toklZGL2XpwHyw+POGUGOpEBBE6xe5EkAYWXzFSTQ3uD8UtWlRg==

# ---- the worker -------------------------------------------------------------------------------
FROM ${RUST_IMAGE} AS worker
WORKDIR /src
# Only what the worker is made of, so that a change elsewhere builds nothing again. Cargo.lock
# still decides every version.
COPY Cargo.toml Cargo.lock ./
RUN sed -i 's/^members = .*/members = ["protocol", "worker"]/' Cargo.toml
# Dependencies in a layer of their own: empty crates with the real manifests.
COPY protocol/Cargo.toml protocol/
COPY worker/Cargo.toml worker/
ENV CARGO_PROFILE_RELEASE_LTO=thin CARGO_PROFILE_RELEASE_STRIP=true
RUN mkdir -p protocol/src worker/src/scripted worker/src/scripted_model worker/tests/agent \
 && touch protocol/src/lib.rs worker/src/lib.rs worker/tests/agent/main.rs \
 && echo 'fn main() {}' | tee worker/src/main.rs worker/src/scripted/main.rs \
      > worker/src/scripted_model/main.rs \
 && cargo build --release -p ralph-worker --bin ralph-loop-cloud
COPY protocol/src protocol/src
COPY worker/src worker/src
# Cargo goes by file times, and the empty crates are newer than the real sources.
RUN find protocol/src worker/src -name '*.rs' -exec touch {} + \
 && cargo build --release -p ralph-worker --bin ralph-loop-cloud

# ---- the agent --------------------------------------------------------------------------------
FROM ${NODE_IMAGE} AS agent
# The native package of one platform: no install script, no second copy, no Node at run time.
ARG CLAUDE_CODE_VERSION
ARG CLAUDE_CODE_INTEGRITY_X64
ARG CLAUDE_CODE_INTEGRITY_ARM64
WORKDIR /fetch
RUN set -eu; \
    arch=$(node -p process.arch); \
    case $arch in \
      x64) want=$CLAUDE_CODE_INTEGRITY_X64 ;; \
      arm64) want=$CLAUDE_CODE_INTEGRITY_ARM64 ;; \
      *) echo "error: there is no agent for $arch" >&2; exit 1 ;; \
    esac; \
    file=$(npm pack --loglevel error "@anthropic-ai/claude-code-linux-$arch@$CLAUDE_CODE_VERSION"); \
    have=$(node -e 'const c = require("crypto"), f = require("fs"); console.log("sha512-" + c.createHash("sha512").update(f.readFileSync(process.argv[1])).digest("base64"))' "$file"); \
    if [ "$have" != "$want" ]; then \
      echo "error: the agent's package is not the pinned one: $have" >&2; \
      echo "hint: change version and integrity together" >&2; \
      exit 1; \
    fi; \
    tar -xzf "$file"; \
    install -D -m 755 package/claude /out/claude; \
    rm -rf /fetch/*

# ---- the image --------------------------------------------------------------------------------
FROM ${NODE_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl git git-lfs jq less procps ripgrep \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

# A fixed user, so that volumes and the task definition can name it. Both folders are volumes: on a
# read-only root they are all that can be written, and they take their owner from here.
RUN groupadd --gid 10001 ralph \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /workspace --shell /bin/bash ralph \
 && install -d -o ralph -g ralph -m 0755 /workspace
VOLUME ["/workspace", "/tmp"]

COPY --from=agent /out/claude /usr/local/bin/claude
COPY --from=worker /src/target/release/ralph-loop-cloud /usr/local/bin/ralph-loop-cloud

ARG CLAUDE_CODE_VERSION
ARG NODE_IMAGE
LABEL org.opencontainers.image.title="ralph-worker" \
      org.opencontainers.image.description="Runs a coding agent again and again on one branch until its work is complete" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.base.name="${NODE_IMAGE}" \
      ralph.agent="@anthropic-ai/claude-code@${CLAUDE_CODE_VERSION}"
USER 10001:10001
WORKDIR /workspace
# As PID 1, without an init process: the worker reaps by itself, and nothing before it ever holds
# the secrets in an environment others could read.
ENTRYPOINT ["/usr/local/bin/ralph-loop-cloud"]
