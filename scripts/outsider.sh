#!/usr/bin/env bash
# What somebody does who has only the repository: clones it, installs the library, and builds the examples against what
# was installed, with pkg-config alone, with CMake alone, and from a Go module elsewhere; each is run and its numbers are
# compared. Tools that are not there are left out, and named at the end.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Apart from what is built of the checkout: cargo would take one for the other. The dependencies are kept for the next run.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/outsider
left_out=()

say() {
    printf '\n== %s\n' "$*"
}

# Whether there is the command $1; else it is noted.
has() {
    command -v "$1" >/dev/null 2>&1 || { left_out+=("$2: there is no $1"); return 1; }
}

# Ends with a failure when the program $1 is linked to the shared library.
expect_static() {
    if ldd "$1" | grep libsupmer; then
        echo "$1 needs the shared library although it was linked with the static one" >&2
        exit 1
    fi
}

say "clone"
[ -z "$(git -C "$root" status --porcelain 2>/dev/null || true)" ] || echo "what is not committed is left out"
if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
    git -c safe.directory="$root" clone --quiet "$root" "$scratch/supmer"
else
    # A release's archive has no history: its files are what a clone would be.
    mkdir "$scratch/supmer"
    tar -C "$root" --exclude ./target -c . | tar -C "$scratch/supmer" -x
fi
cd "$scratch"
examples=$scratch/supmer/examples
check=$scratch/supmer/scripts/check_example.sh

say "make install, to a prefix and to a staging folder"
# Others have to read what is installed by a user whose new files are private.
(umask 077 && make -C supmer install PREFIX="$scratch/x")
[ -z "$(find x -mindepth 1 ! -type l ! -perm -a=r)" ] || { echo "make install left private files" >&2; exit 1; }
[ -z "$(find x -mindepth 1 -type d ! -perm -a=rx)" ] || { echo "make install left private folders" >&2; exit 1; }
DESTDIR="$scratch/staged" make -C supmer install PREFIX=/usr LIBDIR=lib/some-multiarch
for file in lib/libsupmer.so lib/libsupmer.so.0 lib/libsupmer.a include/supmer.h include/supmer.hpp \
    lib/pkgconfig/supmer.pc lib/cmake/supmer/supmer-config.cmake share/supmer/bundles/smollm2-135m.supmer \
    share/licenses/supmer/THIRD-PARTY.txt; do
    [ -e "x/$file" ] || { echo "make install left out $file" >&2; exit 1; }
    staged=staged/usr/${file/#lib\//lib/some-multiarch/}
    [ -e "$staged" ] || { echo "make install with DESTDIR left out $staged" >&2; exit 1; }
done
# An installed tree may be moved.
mv x "moved here"
prefix="$scratch/moved here"
export LD_LIBRARY_PATH="$prefix/lib" PKG_CONFIG_PATH="$prefix/lib/pkgconfig"

if has pkg-config "C and C++ with pkg-config"; then
    # A space in the path comes escaped.
    eval "[ -e $(pkg-config --variable=bundledir supmer)/smollm2-135m.supmer ]" ||
        { echo "the pkg-config file does not name the folder of the bundles" >&2; exit 1; }

    say "C with pkg-config, shared and static"
    eval "cc -std=c11 '$examples/c/classify.c' $(pkg-config --cflags --libs supmer) -o c_shared"
    "$check" classify ./c_shared
    static=$(pkg-config --static --cflags --libs supmer | sed 's/-lsupmer/-l:libsupmer.a/')
    eval "cc -std=c11 '$examples/c/classify.c' $static -o c_static"
    expect_static c_static
    LD_LIBRARY_PATH='' "$check" classify ./c_static
    # The C library warns that its name services are not in its archive; nothing here calls them.
    eval "cc -static -std=c11 '$examples/c/classify.c' $(pkg-config --static --cflags --libs supmer) -o c_alone 2>static.log" ||
        { cat static.log; exit 1; }
    "$check" classify ./c_alone

    say "C++ with pkg-config"
    eval "c++ -std=c++17 '$examples/cpp/classify.cpp' $(pkg-config --cflags --libs supmer) -o cpp_shared"
    "$check" classify ./cpp_shared
fi

if has cmake "C and C++ with CMake"; then
    for static in OFF ON; do
        say "C and C++ with CMake, all five programs, static $static"
        cmake -S "$examples" -B "cmake-$static" -DCMAKE_PREFIX_PATH="$prefix" -DSUPMER_STATIC=$static >cmake.log ||
            { cat cmake.log; exit 1; }
        cmake --build "cmake-$static"
        LD_LIBRARY_PATH='' ctest --test-dir "cmake-$static" --output-on-failure
    done
    expect_static cmake-ON/classify_c

    say "C with CMake's FetchContent"
    mkdir fetching
    cat >fetching/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.18)
project(fetching C CXX)
include(FetchContent)
FetchContent_Declare(supmer SOURCE_DIR "$scratch/supmer")
FetchContent_MakeAvailable(supmer)
add_executable(fetched "$examples/c/classify.c")
target_link_libraries(fetched PRIVATE supmer::supmer)
END
    cmake -S fetching -B fetching/build -DSUPMER_CARGO_TARGET_DIR="$CARGO_TARGET_DIR" >cmake.log || { cat cmake.log; exit 1; }
    cmake --build fetching/build
    LD_LIBRARY_PATH='' "$check" classify fetching/build/fetched
fi

if has go "Go" && has pkg-config "Go"; then
    say "Go from another module's folder"
    cp -r "$examples/go" elsewhere
    cd elsewhere
    go mod edit -replace "supmer/bindings/go=$scratch/supmer/bindings/go"
    go build -o ../go_classify ./classify
    cd ..
    "$check" classify ./go_classify
fi

say "everything that could be built ran and gave the expected numbers"
printf '%s\n' "${left_out[@]+"${left_out[@]/#/left out: }"}"
