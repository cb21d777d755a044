# The worker's image: the loop, the agent, and what an agent's work usually needs.
#
# Both bases are pinned by an exact version. To pin them by digest too, pass
#   --build-arg NODE_IMAGE=docker.io/library/node@sha256:… --build-arg RUST_IMAGE=…
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm
ARG NODE_IMAGE=docker.io/library/node:24.9.0-bookworm-slim
# The agent and mise, and what the registry says about the two packages of each: change the three together.
ARG CLAUDE_CODE_VERSION=2.1.331
ARG CLAUDE_CODE_INTEGRITY_X64=sha512-IpvZ9c/NopO/sr8ThWLVAUDXVAFT3auLWrhbR6wq1dgkuJfZYdTtoXf6GajE5KL9R58iTt/86OPXrJAsM4+l8g==
ARG CLAUDE_CODE_INTEGRITY_ARM64=sha512-zy+OOB7i1J7rCjNoPB2ZBD7EAtT0Eus1wH+toklZGL2XpwHyw+POGUGOpEBBE6xe5EkAYWXzFSTQ3uD8UtWlRg==
ARG MISE_VERSION=2026.8.6
ARG MISE_INTEGRITY_X64=sha512-FNEhITXrJmfmYfGsQTfldJGiqTXr3JEQlFMTPV0XJyFI7FP/3kOssgFgSkMOlNqJCT3qFqETi0kCO3PsYx9qUw==
ARG MISE_INTEGRITY_ARM64=sha512-MOg3B92G0c1xu2wZX5wuJXSpNagxCu9HAv+tfDn+Rp9UF2sO1CVC7UAPOMcp49UNvcLqH9PeoPsMxIy0dC9FNQ==

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

# ---- what comes as a program: the agent and mise ------------------------------------------------
FROM ${NODE_IMAGE} AS programs
# The native package of one platform: no install script, no second copy, no Node at run time.
COPY docker/fetch-binary.sh /
# A registry of one's own, or its certificate: `--secret id=npmrc,src=FILE`, which no layer keeps.
ARG MISE_VERSION
ARG MISE_INTEGRITY_X64
ARG MISE_INTEGRITY_ARM64
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    /fetch-binary.sh @jdxcode/mise-linux "$MISE_VERSION" "$MISE_INTEGRITY_X64" "$MISE_INTEGRITY_ARM64" \
      bin/mise /out/mise
ARG CLAUDE_CODE_VERSION
ARG CLAUDE_CODE_INTEGRITY_X64
ARG CLAUDE_CODE_INTEGRITY_ARM64
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    /fetch-binary.sh @anthropic-ai/claude-code-linux "$CLAUDE_CODE_VERSION" \
      "$CLAUDE_CODE_INTEGRITY_X64" "$CLAUDE_CODE_INTEGRITY_ARM64" claude /out/claude

# ---- the image --------------------------------------------------------------------------------
FROM ${NODE_IMAGE}
# Three layers, so that docs/images.md can say what each adds: what the worker and every agent use,
# a C compiler for whatever builds native code, and Python.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates curl git git-lfs jq less openssh-client patch procps ripgrep unzip xz-utils \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ gcc libc6-dev make pkg-config \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

# A fixed user, so that volumes and the task definition can name it. Both folders are volumes: on a
# read-only root they are all that can be written, and they take their owner from here.
RUN groupadd --gid 10001 ralph \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /workspace --shell /bin/bash ralph \
 && install -d -o ralph -g ralph -m 0755 /workspace
VOLUME ["/workspace", "/tmp"]

COPY --from=programs /out/mise /usr/local/bin/mise
COPY --from=programs /out/claude /usr/local/bin/claude
COPY --from=worker /src/target/release/ralph-loop-cloud /usr/local/bin/ralph-loop-cloud

# Debian packages of one's own (docker/build.sh --packages), last: the layers before are the same for all.
ARG PACKAGES=
RUN if [ -n "$PACKAGES" ]; then \
      apt-get update \
      && { apt-get install -y --no-install-recommends $PACKAGES \
        || { echo "hint: look the names of --packages up in Debian bookworm, packages.debian.org" >&2; exit 1; }; } \
      && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*; \
    fi

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
