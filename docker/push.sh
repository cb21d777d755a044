#!/bin/sh
# Builds the worker image and pushes it under exactly the name the task definition uses: output
# `worker_image` of an environment. A tag is never overwritten.
#   docker/push.sh [environment] [--packages "NAME …"]       default: dev
# --packages is for docker/build.sh.
# The name is what `ralph outputs` says; RALPH is how to run that program, ralph by default. With
# RALPH_TERRAFORM_DIR, a folder that holds envs, it is what the state there says. RALPH_TERRAFORM is for
# cli/tools/terraform.sh, RALPH_BUILDER for docker/engine.sh.
set -eu
cd "$(dirname "$0")/.."
case ${1:--} in
-*) environment=dev ;;
*)
    environment=$1
    shift
    ;;
esac

need() {
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "error: $1 is not installed" >&2
        echo "hint: $2" >&2
        exit 1
    fi
}

need aws "install the AWS CLI: it logs in to the registry and looks the tag up"
builder=$(docker/engine.sh build)

if [ -n "${RALPH_TERRAFORM_DIR:-}" ]; then
    terraform=$(cli/tools/terraform.sh)
    root=$RALPH_TERRAFORM_DIR/envs/$environment
    # A state that lies elsewhere can only be read from a folder that was initialised.
    if [ -e "$root/backend.tf" ] && [ ! -e "$root/.terraform" ]; then
        "$terraform" -chdir="$root" init -input=false >&2
    fi
    output() {
        if ! value=$("$terraform" -chdir="$root" output -raw "$1" 2>/dev/null) || [ -z "$value" ]; then
            echo "error: $root has no output $1 yet" >&2
            echo "hint: apply it first" >&2
            exit 1
        fi
        echo "$value"
    }
else
    # It needs no state, and expects the repository to be the account's own: the password goes to its registry.
    # shellcheck disable=SC2086 # a program and its arguments, on purpose
    output() { ${RALPH:-ralph} outputs "$1" --env "$environment"; }
fi
image=$(output worker_image)
ours=$(output ecr_repository_url)
case $image in
"$ours":*) ;;
*)
    echo "error: tasks of $environment run \`$image\`, which is not in the environment's repository, \`$ours\`" >&2
    echo "hint: build and push an image of your own as docs/images.md says, or take \`image\` out of ralph.toml" >&2
    exit 1
    ;;
esac
# <account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>[@<digest>]
name=${image%@*}
tag=${name##*:}
repository=${name%:*}
registry=${repository%%/*}
region=$(echo "$registry" | cut -d. -f4)

found=$(aws ecr describe-images --region "$region" --repository-name "${repository#*/}" \
    --image-ids "imageTag=$tag" --query 'imageDetails[0].imageDigest' --output text 2>&1) || true
case $found in
# The local cloud finds nothing where AWS says that there is no such image.
*ImageNotFoundException* | None) ;;
sha256:*)
    echo "error: $name exists already, with digest $found" >&2
    echo "hint: tags are immutable; choose a new tag in ralph.toml, then just gen and just apply" >&2
    exit 1
    ;;
*)
    echo "error: cannot look up $name: $found" >&2
    exit 1
    ;;
esac

docker/build.sh "$name" "$@"
# shellcheck disable=SC2086 # a program and its arguments, on purpose
{
    # On stdin: an argument could be read by others.
    aws ecr get-login-password --region "$region" | $builder login --username AWS --password-stdin "$registry"
    $builder push "$name"
}
digest=$(aws ecr describe-images --region "$region" --repository-name "${repository#*/}" \
    --image-ids "imageTag=$tag" --query 'imageDetails[0].imageDigest' --output text)
echo "pushed $name"
echo "digest $digest"
