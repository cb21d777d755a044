# The recipe everybody writes first; `just bench image` measures the worker image against it.
FROM docker.io/library/ubuntu:22.04
ARG CLAUDE_CODE_VERSION
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y nodejs npm git curl jq
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=certificates \
    npm install -g @anthropic-ai/claude-code@${CLAUDE_CODE_VERSION}
