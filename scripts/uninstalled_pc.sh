#!/bin/sh
# Writes what `make install` would put into lib/pkgconfig, for the library that lies in the folder $1, and prints the
# folder of the file for PKG_CONFIG_PATH. Programs find the library where it lies, without LD_LIBRARY_PATH.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
library=$(cd "$1" && pwd)

# Programs ask the loader for the name with the ABI version, which only an installed library has.
abi=$(sed -n 's/^#define SUPMER_ABI_VERSION //p' "$root/include/supmer.h")
for shared in libsupmer.so libsupmer.dylib; do
    [ ! -e "$library/$shared" ] || case $shared in
    *.so) ln -sf "$shared" "$library/$shared.$abi" ;;
    *) ln -sf "$shared" "$library/libsupmer.$abi.dylib" ;;
    esac
done

# pkg-config splits at spaces that are not escaped.
escape() {
    printf '%s' "$1" | sed 's/ /\\ /g'
}
mkdir -p "$library/pkgconfig"
cat >"$library/pkgconfig/supmer.pc" <<EOF
bundledir=$(escape "$root/bundles")

Name: supmer
Description: Adapts a frozen small language model to a task on the device
Version: $(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
Cflags: -I$(escape "$root/include")
Libs: -L$(escape "$library") -Wl,-rpath,$(escape "$library") -lsupmer
EOF
echo "$library/pkgconfig"
