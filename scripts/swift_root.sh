#!/usr/bin/env bash
# A Debian trixie with Swift in a folder of its own, for machines whose system has no Swift.
#
#     scripts/swift_root.sh make                     makes it, or goes on where an earlier run ended
#     scripts/swift_root.sh path                     prints where it is; fails when it is not there or not whole
#     scripts/swift_root.sh run FOLDER COMMAND...    runs a command in it, in FOLDER, which is at the same place there
#
# Needs Debian or Ubuntu, root and about 3.5 GB of disk. It lies in ${SUPMER_CACHE:-~/.cache/supmer}/swift-root.
# Everything that is mounted is mounted in a mount namespace of this script's own: the mounts end with it, whatever
# ends it, and nobody else ever sees them. So the folder can be removed at any time with `rm -r`.
set -euo pipefail

cache=${SUPMER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/supmer}
root=$cache/swift-root
# Says what a whole root holds. Change it with what `make_root` installs: older roots are then brought up to date.
recipe="trixie swiftlang 1"
packages=(swiftlang libc6-dev libstdc++-14-dev g++ git pkg-config ca-certificates)

fail() {
    echo "swift_root.sh: $*" >&2
    exit 1
}

# Starts this script again in a mount namespace of its own, once.
enter_namespace() {
    [ -z "${SUPMER_SWIFT_NAMESPACE:-}" ] || return 0
    [ "$(id -u)" = 0 ] || fail "only root can make or enter this root; install Swift and put it on PATH instead"
    unshare --mount true || fail "this system does not let root mount (a container?); put a Swift on PATH instead"
    SUPMER_SWIFT_NAMESPACE=1 exec unshare --mount --propagation private -- "${BASH_SOURCE[0]}" "$@"
}

need_debootstrap() {
    command -v debootstrap >/dev/null 2>&1 && return 0
    command -v apt-get >/dev/null 2>&1 || fail "debootstrap is missing, and this system has no apt-get to install it"
    apt-get update --quiet --quiet || true
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends \
        debootstrap debian-archive-keyring ||
        fail "debootstrap could not be installed"
}

mount_system() {
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
}

# Runs a command in the root with an environment that the host's does not leak into.
in_root() {
    env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

make_base() {
    [ ! -f "$root/etc/supmer-base" ] || return 0
    need_debootstrap
    rm --recursive --force --one-file-system -- "$root"
    echo "making a Debian trixie in $root" >&2
    debootstrap --variant=minbase trixie "$root" >"$cache/swift-root.log" 2>&1 || {
        tail -n 20 "$cache/swift-root.log" "$root/debootstrap/debootstrap.log" >&2 || true
        fail "debootstrap failed; is this machine online? The whole log is $cache/swift-root.log"
    }
    # The root can be made again at any time, so its packages need not be forced onto the disk one by one.
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
    touch "$root/etc/supmer-base"
}

make_root() {
    mkdir -p "$cache"
    exec 9>"$cache/swift-root.lock"
    flock 9
    ! is_whole || return 0
    make_base
    mount_system
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    echo "installing Swift in $root (3 GB, some minutes)" >&2
    if ! {
        in_root dpkg --configure -a &&
            in_root apt-get update --quiet --quiet &&
            in_root apt-get install --yes --quiet --quiet --no-install-recommends "${packages[@]}" &&
            in_root apt-get clean
    } >>"$cache/swift-root.log" 2>&1; then
        tail -n 20 "$cache/swift-root.log" >&2
        fail "Swift could not be installed; run this again to go on. The whole log is $cache/swift-root.log"
    fi
    # Debian's Swift leaves its run-time libraries where the loader does not look.
    local core folder
    core=$(find "$root/usr" -name libswiftCore.so -path '*linux*' -print -quit)
    [ -n "$core" ] || fail "the installed Swift has no libswiftCore.so"
    folder=${core%/libswiftCore.so}
    echo "${folder#"$root"}" >"$root/etc/ld.so.conf.d/swift.conf"
    in_root ldconfig
    in_root swift --version >&2 || fail "the installed Swift does not run"
    echo "$recipe" >"$root/etc/supmer-root"
}

is_whole() {
    [ "$(cat "$root/etc/supmer-root" 2>/dev/null)" = "$recipe" ]
}

case ${1:-} in
make)
    if ! is_whole; then
        enter_namespace "$@"
        make_root
    fi
    echo "Swift root: $root"
    ;;
path)
    is_whole || exit 1
    echo "$root"
    ;;
run)
    [ $# -ge 3 ] || fail "usage: swift_root.sh run FOLDER COMMAND..."
    is_whole || fail "$root is not there or not whole; make it with: make swift-root"
    enter_namespace "$@"
    folder=$(realpath -- "$2")
    shift 2
    mount_system
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
    in_root env --chdir "$folder" "$@"
    ;;
*)
    fail "usage: swift_root.sh make | path | run FOLDER COMMAND..."
    ;;
esac
