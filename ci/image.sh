#!/usr/bin/env bash
# Builds the image without a network, runs its demo as locked down as an operator would, and checks
# that it serves samples, reports healthy and stops cleanly. Needs root on Debian, and of its
# packages: buildah, podman, runc, mmdebstrap. With Docker, `docker build .` is enough to get the image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

image=localhost/azure-backup-exporter
base_image=localhost/python:3.13-slim

for tool in buildah podman runc mmdebstrap; do
  command -v "$tool" >/dev/null || {
    echo "ci/image.sh needs $tool (Debian: apt-get install buildah podman runc mmdebstrap)." >&2
    exit 1
  }
done

work=$(mktemp -d)
store=(--root "$work/storage" --runroot "$work/run" --storage-driver overlay)
export BUILDAH_ISOLATION=chroot
container=

build() { buildah "${store[@]}" build --pull-never --network none --format docker "$@"; }
# crun refuses machines whose control groups are mixed v1 and v2.
podman_() { podman --log-level=fatal --runtime runc --cgroup-manager=cgroupfs "${store[@]}" "$@"; }

cleanup() {
  if [[ -n "$container" ]]; then podman_ rm --force --time 2 "$container" >/dev/null || true; fi
  umount "$work/storage/overlay" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "image: $1" >&2
  if [[ -n "$container" ]]; then podman_ logs "$container" >&2 || true; fi
  exit 1
}

# --- Base: no registry of images is within reach, so Debian's packages stand in for it ---

suite=trixie
packages=python3.13-minimal,libpython3.13-stdlib,python3-venv,ca-certificates
cache=${XDG_CACHE_HOME:-$HOME/.cache}/azure-backup-exporter
base=$cache/$suite-$(sha256sum <<<"$packages" | cut -c 1-12).tar
if [[ ! -e "$base" ]]; then
  mkdir -p "$cache"
  # The mirror that this machine uses; without one, the bootstrapper's own.
  # shellcheck disable=SC2016  # apt-get's own variables
  mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' \
    | awk -v release="$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" '$1 == release { print $2; exit }')
  mmdebstrap --quiet --variant=minbase --mode=root --aptopt='Acquire::Languages "none"' \
    --include="$packages" "$suite" "$work/base.tar" ${mirror:+"$mirror"}
  mv "$work/base.tar" "$base"
fi
mkdir "$work/base"
ln "$base" "$work/base/base.tar" 2>/dev/null || cp "$base" "$work/base/base.tar"
cat >"$work/base/Dockerfile" <<'DOCKERFILE'
FROM scratch
ADD base.tar /
RUN ln -s /usr/bin/python3.13 /usr/local/bin/python3 && ln -s python3 /usr/local/bin/python
DOCKERFILE
build --quiet --tag "$base_image" "$work/base" >/dev/null

# --- Build ---

# For the image's Python, not for this machine's; the hashes of the lock files still bind them.
.venv/bin/python -m pip download -qq --disable-pip-version-check --dest "$work/wheels" \
  --python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none \
  --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --platform any \
  --only-binary=:all: --requirement requirements.txt --requirement requirements-build.txt
printf '[global]\nno-index = true\nfind-links = /wheels\ndisable-pip-version-check = true\n' >"$work/pip.conf"
build --build-arg PYTHON_IMAGE="$base_image" --tag "$image" \
  --volume "$work/wheels:/wheels:ro" --volume "$work/pip.conf:/etc/pip.conf:ro" .

# --- Run ---

locked_down=(--pull=never --network=host --health-interval=disable
  --ulimit nofile=4096:4096 --ulimit nproc=4096:4096
  --read-only --read-only-tmpfs=false --cap-drop=ALL --security-opt=no-new-privileges --memory=128m)

# Started as it comes, it must ask for its configuration where the documentation mounts it.
code=0
answer=$(podman_ run --rm "${locked_down[@]}" "$image" 2>&1) || code=$?
[[ "$code" == 2 && "$answer" == */etc/azure-backup-exporter/config.yaml* ]] \
  || fail "without a configuration it ends with $code: $answer"

port=$(.venv/bin/python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
# The address comes from the environment so that the health check inside finds it too.
container=$(podman_ run --detach "${locked_down[@]}" \
  --env "AZURE_BACKUP_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:$port" "$image" demo)

for _ in $(seq 50); do
  page=$(curl --silent --max-time 2 --noproxy '*' "http://127.0.0.1:$port/metrics" || true)
  up=$(grep -c '^azure_backup_vault_up{.*} 1$' <<<"$page" || true)
  [[ "$up" -gt 0 ]] && break
  sleep 0.2
done
[[ "$up" -gt 0 ]] || fail "no vault was up within 10 s"

user=$(podman_ exec "$container" id -u)
[[ "$user" == 65532 ]] || fail "runs as user $user, not 65532"

# Compiling at each start would double its time; a read-only container can never keep the result.
sources=$(podman_ exec "$container" python -v -c 'import exporter.cli.serve' 2>&1 \
  | grep 'code object from /opt/venv/' || true)  # byte code is told with its path in quotes
[[ -z "$sources" ]] || fail "not byte-compiled: $sources"

podman_ healthcheck run "$container" 2>/dev/null || fail "the health check failed"

podman_ stop --time 10 "$container" >/dev/null
code=$(podman_ inspect --format '{{.State.ExitCode}}' "$container")
[[ "$code" == 0 ]] || fail "exit code after SIGTERM is $code, not 0"
if podman_ logs "$container" 2>&1 | grep -q Traceback; then fail "there is a traceback in the log"; fi

size=$(podman_ image inspect --format '{{.Size}}' "$image")
echo "image: $((size / 1000000)) MB; $up vaults up, $(grep -c '^azure_backup' <<<"$page") samples; healthy; stopped with 0"
