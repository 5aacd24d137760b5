# Sourced, from the root of the repository, by the scripts that build Swift: where Swift is and how it finds the
# library.

# What is built, apart for the two Swifts; and what goes before a command to run it with Swift and the library at hand.
scratch=$PWD/target/swift
with_swift=()
if ! command -v swift >/dev/null 2>&1; then
    scratch=$PWD/target/swift-root
    with_swift=("$PWD/scripts/swift_root.sh" run "$PWD")
fi
with_swift+=(env "PKG_CONFIG_PATH=$scratch/prefix/lib/pkgconfig" "LD_LIBRARY_PATH=$scratch/prefix/lib")

# Goes on when there is a Swift. Else says how to get one and ends the script, in CI with a failure.
need_swift() {
    if command -v swift >/dev/null 2>&1 || scripts/swift_root.sh path >/dev/null; then
        return 0
    fi
    echo "Swift was LEFT OUT: there is no swift on PATH. On Debian or Ubuntu, as root, 'make swift-root' makes one." >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
}

# Installs the library built in folder $1 where only Swift sees it.
install_library() {
    scripts/install.py --built "$1" --prefix "$scratch/prefix"
}
