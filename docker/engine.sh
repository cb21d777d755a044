#!/bin/sh
# Finds this machine's container engine: docker, then podman. Only an engine that answers counts: a
# docker client is often installed without a daemon. The first line is the program, each further line
# one argument; nothing else goes to stdout. Exit 1, with a hint, when there is none.
#   docker/engine.sh           program and global arguments: put `stop`, `exec` and so on behind them
#   docker/engine.sh run       the same, then `run` and the arguments that this machine requires
#   docker/engine.sh build     for building, pushing and logging in, buildah counts too, as the last
# RALPH_BUILDER names one of the three, and then no other is tried. What buildah builds, podman runs:
# both keep their images in one place.
set -eu
for_what=${1:-}
case $for_what in
'' | run | build) ;;
*)
    echo "error: docker/engine.sh does not know \`$for_what\`" >&2
    echo "hint: run, build or nothing" >&2
    exit 1
    ;;
esac

installed() { command -v "$1" >/dev/null 2>&1; }

# What was found of each one that cannot be used.
found=
note() { found="$found${found:+; }$1"; }

docker_answers() {
    if ! installed docker; then
        note "docker is not installed"
    elif docker --version 2>/dev/null | grep -qi '^podman'; then
        note "docker is another name of podman here"
    elif ! docker info >/dev/null 2>&1; then
        note "docker is installed, but its daemon does not answer"
    else
        return 0
    fi
    return 1
}

# Sets `runtime`, where podman's own does not work, `remote`: podman works on another machine, and
# `rootless`: it has the rights of its user only.
about_podman='{{.Host.OCIRuntime.Name}} {{.Host.ServiceIsRemote}} {{.Host.Security.Rootless}}'
podman_answers() {
    if ! installed podman; then
        note "podman is not installed"
    elif ! about=$(podman info --format "$about_podman" 2>/dev/null); then
        note "podman is installed, but \`podman info\` fails"
    else
        runtime=
        rootless=${about##* }
        remote=${about#* } remote=${remote% *}
        if [ "$remote" = true ] || [ "${about%% *}" != crun ] || [ ! -d /sys/fs/cgroup/unified ]; then
            return 0
        fi
        # crun starts nothing where both versions of cgroups are mounted.
        if installed runc; then
            runtime=runc
            return 0
        fi
        note "podman's runtime crun does not work with this machine's hybrid cgroups, and runc is not installed"
    fi
    return 1
}

# podman's defaults are higher than what a root without CAP_SYS_RESOURCE may set. A process may always
# set its own limits; podman has lowered its own number of processes to pid_max.
# Open files: as many as Fargate allows, where this machine does.
podman_limits() {
    if [ "$remote" = true ] || [ ! -r /proc/self/limits ]; then return; fi
    awk -v pids="$(cat /proc/sys/kernel/pid_max)" '
        function limit(name, own, most) { most = own < most ? own : most; print "--ulimit\n" name "=" most ":" most }
        /^Max open files/ { limit("nofile", $5, 65535) }
        /^Max processes/ { limit("nproc", $4, pids) }' /proc/self/limits
}

buildah_answers() {
    installed buildah || note "buildah is not installed"
    installed buildah
}

case ${RALPH_BUILDER:-} in
'') candidates="docker podman" && if [ "$for_what" = build ]; then candidates="$candidates buildah"; fi ;;
docker | podman) candidates=$RALPH_BUILDER ;;
buildah) candidates=podman && if [ "$for_what" = build ]; then candidates=buildah; fi ;;
*)
    echo "error: RALPH_BUILDER is \`$RALPH_BUILDER\`" >&2
    echo "hint: docker, podman or buildah" >&2
    exit 1
    ;;
esac
engine=
for candidate in $candidates; do
    if "${candidate}_answers"; then
        engine=$candidate
        break
    fi
done
if [ -z "$engine" ]; then
    echo "error: no container engine answers: $found" >&2
    case $found in
    *"runc is not"*) echo "hint: install runc; on Debian: apt-get install runc" >&2 ;;
    *daemon*) echo "hint: start docker's daemon, or install podman; on Debian: apt-get install podman" >&2 ;;
    *) echo "hint: install podman or docker; on Debian: apt-get install podman" >&2 ;;
    esac
    exit 1
fi

echo "$engine"
if [ "$engine" = podman ] && [ -n "$runtime" ]; then printf '%s\n' --runtime "$runtime"; fi
if [ "$for_what" = run ]; then
    echo run
    # SELinux lets a container read no file of the machine that is not labelled for it.
    if [ -e /sys/fs/selinux/enforce ]; then printf '%s\n' --security-opt label=disable; fi
    # As with docker and in Fargate, a read-only root has no folder that can be written.
    if [ "$engine" = podman ]; then
        echo --read-only-tmpfs=false
        # Otherwise user 10001 is a user of the machine who owns nothing, not even the volumes.
        if [ "$rootless $remote" = "true false" ]; then echo --userns=keep-id:uid=10001,gid=10001; fi
        podman_limits
    fi
fi
