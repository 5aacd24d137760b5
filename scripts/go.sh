#!/bin/sh
# Tests the Go module with the library that lies in a folder, or builds the worker of `make bench-bindings` there.
#
#     scripts/go.sh test FOLDER     gofmt, vet, race detector, cgocheck2, the archive, the examples
#     scripts/go.sh bench FOLDER    builds FOLDER/bench_call_go
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
library=$(cd "$2" && pwd)
PKG_CONFIG_PATH=$("$root/scripts/uninstalled_pc.sh" "$library")
export PKG_CONFIG_PATH
# Go's build cache sees neither the header nor what pkg-config says, and its test cache does not see the library.
CGO_CFLAGS="-g -O2 -DSUPMER_SEEN=$(cat "$root/include/supmer.h" "$PKG_CONFIG_PATH/supmer.pc" | cksum | cut -d ' ' -f 1)"
export CGO_CFLAGS
export GOFLAGS="${GOFLAGS:-} -count=1"

check_format() {
    cd "$root"
    unformatted=$(gofmt -l bindings/go examples/go benches/bindings/go)
    [ -z "$unformatted" ] || { echo "not formatted; run gofmt -w on:" "$unformatted" >&2; exit 1; }
}

test_module() {
    cd "$root/bindings/go"
    go vet ./...
    echo 'Go module, race detector:'
    go test -race ./...
    echo 'Go module, strict checks of what crosses to C:'
    GOEXPERIMENT=cgocheck2 go test ./...
    echo 'Go module, linked to the archive:'
    CGO_CFLAGS="$CGO_CFLAGS -I$root/include" CGO_LDFLAGS="-L$library" go test -tags supmer_static ./...
}

test_examples() {
    echo 'Go examples:'
    cd "$root/examples/go"
    go vet ./...
    go test .
}

case $1 in
test)
    check_format
    test_module
    test_examples
    cd "$root/benches/bindings/go"
    go vet ./...
    ;;
bench)
    cd "$root/benches/bindings/go"
    go build -o "$library/bench_call_go" .
    ;;
esac
