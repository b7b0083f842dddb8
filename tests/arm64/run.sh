#!/usr/bin/env bash
# The wheel and ONNX Runtime from PyPI on arm64, without an arm64 machine: a Debian userland under qemu-user. The bundled
# model must find the same there as here. Needs root, a Debian or Ubuntu host, and about 20 minutes the first time.
# Usage: tests/arm64/run.sh PYTHON [FOLDER]
#   PYTHON  an interpreter with the package and its extras, as `make install` leaves it
#   FOLDER  where the userland and results go (default: out/arm64); a userland that is there is used again
set -euo pipefail
cd "$(dirname "$0")/../.."

python=$1
folder=$(realpath -m "${2:-out/arm64}")
root=$folder/userland
suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
binfmt=/proc/sys/fs/binfmt_misc

fail() { echo "error: $1" >&2; exit 2; }
say() { echo "[$SECONDS s] $1"; }

[ "$(id -u)" = 0 ] || fail "chroot and mount need root: run it with sudo"
mkdir -p "$folder"

install_tools() {
    local missing=()
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    command -v qemu-aarch64-static >/dev/null || missing+=(qemu-user-static)
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null || fail "could not install ${missing[*]}"
    fi
    [ -e $binfmt/register ] || mount -t binfmt_misc none $binfmt || fail "the kernel has no binfmt_misc"
    # Flag F opens the interpreter now, so that it need not be inside the userland.
    [ -e $binfmt/qemu-aarch64 ] || [ "$(uname -m)" = aarch64 ] ||
        printf '%s' ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$(command -v qemu-aarch64-static)":F >$binfmt/register
}

make_userland() {
    [ -e "$root/.done" ] && return
    rm -rf --one-file-system "$root"
    debootstrap --arch=arm64 --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" "$mirror" \
        >"$folder/debootstrap.log" || fail "debootstrap failed: see $folder/debootstrap.log"
    touch "$root/.done"
}

inside() {
    chroot "$root" env -i PATH=/opt/venv/bin:/usr/bin:/bin HOME=/root LC_ALL=C.UTF-8 OMP_NUM_THREADS=1 \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$@"
}

install_wheel() {
    rm -rf "$folder/wheel" "$root/work"
    mkdir -p "$root/work"
    "$python" -m build --no-isolation --outdir "$folder/wheel" . >"$folder/build.log" 2>&1 || fail "see $folder/build.log"
    cp "$folder"/wheel/*.whl "$root/work"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
    [ -e "$root/opt/venv/bin/pip" ] || inside python3 -m venv /opt/venv
    local pip=(inside pip install --quiet --disable-pip-version-check) wheel=("$root"/work/*.whl)
    "${pip[@]}" --force-reinstall --no-deps "/work/${wheel##*/}" || fail "pip could not install the wheel"
    "${pip[@]}" "yolact-deploy[cpu] @ file:///work/${wheel##*/}" || fail "pip could not install what the wheel needs"
}

leave() {
    ! mountpoint -q "$root/dev" || umount "$root/dev"
    ! mountpoint -q "$root/proc" || umount "$root/proc"
}
trap leave EXIT

compare_detections() {
    local data=benchmarks/data/nano
    "$python" -m yolact_deploy export $data/yolact_nano_22_4148.pth --output "$folder/nano.onnx" --force >/dev/null
    cp "$folder/nano.onnx" tests/arm64/detections.py "$root/work"
    rm -rf "$root/work/images"
    mkdir "$root/work/images"
    ls $data/images/*.jpg | head -n 8 | xargs -I{} cp {} "$root/work/images"
    "$python" tests/arm64/detections.py find "$folder/nano.onnx" "$root/work/images" "$folder/here.npz"
    inside python3 /work/detections.py find /work/nano.onnx /work/images /work/there.npz
    "$python" tests/arm64/detections.py compare "$folder/here.npz" "$root/work/there.npz"
}

say "tools"; install_tools
say "userland: Debian $suite for arm64 in $root"; make_userland
say "wheel and ONNX Runtime"; install_wheel
inside yolact-deploy --version
say "detections"; compare_detections
say "done"
