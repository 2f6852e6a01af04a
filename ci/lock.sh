#!/usr/bin/env bash
# Writes the lock files from pyproject.toml.
#   ci/lock.sh             keep every pin that still fits
#   ci/lock.sh --upgrade   take the newest versions
#   ci/lock.sh --check     change nothing; fail when a lock file no longer fits pyproject.toml
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=$PWD/.venv/bin/uv
locks=(requirements.txt requirements-build.txt requirements-dev.txt requirements-lowest.txt
  requirements-fuzz.txt requirements-bench.txt)

# A developer's own index or find-links settings must not reach the lock files.
for name in $(compgen -e UV_ || true); do unset "$name"; done

# With extras: without, pip refuses the hashes as soon as the index has a newer version.
compile() {
  "$uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-strip-extras \
    --custom-compile-command 'make lock' "$@" >/dev/null
}

# What is pinned in requirements-dev.txt, but for what pyproject.toml itself depends on.
pins_of_others() {
  local ours
  ours=$(sed -n '/^dependencies = \[/,/^\]/s/^ *"\([a-z0-9-]*\).*/\1/p' pyproject.toml | paste -sd '|')
  grep -oE '^[a-z0-9._-]+(\[[a-z,-]+\])?==[^ ;]+' requirements-dev.txt | grep -vE "^($ours)=="
}

# The runtime and build pins bind the dev ones: the tests run what the image ships.
compile_all() {
  compile "$@" pyproject.toml --output-file requirements.txt
  compile "$@" --group build --constraint requirements.txt --output-file requirements-build.txt
  compile "$@" pyproject.toml --group dev --constraint requirements.txt \
    --constraint requirements-build.txt --output-file requirements-dev.txt
  # The oldest versions that pyproject.toml allows, in an environment that is else that of the tests.
  pins_of_others >requirements-lowest.txt
  compile --resolution lowest-direct pyproject.toml --group test --group build \
    --output-file requirements-lowest.txt
  compile "$@" --group fuzz --constraint requirements.txt --output-file requirements-fuzz.txt
  compile "$@" --group bench --constraint requirements.txt --output-file requirements-bench.txt
}

case "${1:-}" in
  "") compile_all ;;
  --upgrade) compile_all --upgrade ;;
  --check)
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp pyproject.toml "${locks[@]}" "$copy"
    (cd "$copy" && compile_all)
    for lock in "${locks[@]}"; do
      if ! cmp --silent "$lock" "$copy/$lock"; then
        stale=yes
        diff -U0 --label "$lock" --label "what pyproject.toml asks for" "$lock" "$copy/$lock" \
          | grep -v -e '--hash=' -e '^@@' || true
      fi
    done
    if [[ -n "${stale:-}" ]]; then
      echo "The lock files no longer fit pyproject.toml: run 'make lock'." >&2
      exit 1
    fi
    ;;
  *)
    echo "usage: ci/lock.sh [--check | --upgrade]" >&2
    exit 2
    ;;
esac
