#!/bin/sh
# Prints which tofu or terraform is used, by the rule of cli/src/tools/engine.rs. With versions it fails
# if the tool is older:
#   cli/tools/terraform.sh [least version [least version of OpenTofu, if another]]
set -eu

fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

tool=${RALPH_TERRAFORM:-}
if [ -n "$tool" ]; then
    case $tool in
    */*)
        [ ! -d "$tool" ] || fail "RALPH_TERRAFORM is \`$tool\`, a folder" \
            "name OpenTofu or Terraform; the folder that holds envs is RALPH_TERRAFORM_DIR"
        ;;
    esac
    command -v "$tool" >/dev/null || fail "RALPH_TERRAFORM is \`$tool\`, which is not a program" \
        "name OpenTofu or Terraform as it is called on PATH, or by its path"
else
    tool=tofu
    command -v tofu >/dev/null || tool=terraform
    command -v "$tool" >/dev/null || fail "tofu or terraform is not on PATH" \
        "install OpenTofu (opentofu.org) or Terraform (developer.hashicorp.com/terraform)"
fi
if [ $# -gt 0 ]; then
    said=$("$tool" version 2>&1) || fail "\`$tool version\` fails: $said" "install OpenTofu or Terraform again"
    least=$1
    have=$(printf '%s\n' "$said" | sed -n 's/^Terraform v\([0-9.]*\).*/\1/p')
    if [ -z "$have" ]; then
        least=${2:-$1}
        have=$(printf '%s\n' "$said" | sed -n 's/^OpenTofu v\([0-9.]*\).*/\1/p')
    fi
    [ -n "$have" ] || fail "\`$tool\` is neither OpenTofu nor Terraform: $said" "name one with RALPH_TERRAFORM"
    [ "$(printf '%s\n%s\n' "$least" "$have" | sort -V | head -n 1)" = "$least" ] ||
        fail "${tool##*/} $have is too old: this command needs $least or later" \
            "install a newer one, or name one with RALPH_TERRAFORM"
fi
echo "$tool"
