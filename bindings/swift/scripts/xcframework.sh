#!/usr/bin/env bash
# Makes CSupmer.xcframework for macOS, iOS and the iOS simulator, and a zip of it with its checksum for a release.
#
#     bindings/swift/scripts/xcframework.sh OUT
#
# NOT RUN by this project's CI, which has no macOS: treat it as a recipe, and check what it makes. Needs macOS with
# Xcode and rustup. Then:
#
#     SUPMER_XCFRAMEWORK=OUT/CSupmer.xcframework swift build
#
# The slices are dynamic frameworks: the static libraries of two Rust packages in one app would clash.
set -euo pipefail

[ "$(uname)" = Darwin ] || { echo "xcframework.sh needs macOS with Xcode" >&2; exit 1; }
[ $# = 1 ] || { echo "usage: xcframework.sh OUT" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

export MACOSX_DEPLOYMENT_TARGET=13.0 IPHONEOS_DEPLOYMENT_TARGET=16.0
# Where cargo writes, apart from the builds of everyday work: these settings change everything in it.
export CARGO_TARGET_DIR=$PWD/target/xcframework

# The libraries of the targets in $3..., made into one framework in folder $1, for systems from that in $2 on:
# `KEY VERSION` of the property list.
framework() {
    local folder=$1/CSupmer.framework least=${2% *} system=${2#* } libraries=() target
    shift 2
    for target in "$@"; do
        rustup target add "$target"
        cargo rustc --release --lib --crate-type cdylib --target "$target"
        libraries+=("$CARGO_TARGET_DIR/$target/release/libsupmer.dylib")
    done
    rm -rf "$folder"
    mkdir -p "$folder/Headers" "$folder/Modules"
    lipo -create "${libraries[@]}" -output "$folder/CSupmer"
    install_name_tool -id @rpath/CSupmer.framework/CSupmer "$folder/CSupmer"
    cp include/supmer.h "$folder/Headers/"
    cat >"$folder/Modules/module.modulemap" <<END
framework module CSupmer [system] {
    umbrella header "supmer.h"
    export *
}
END
    mkdir -p "$folder/Resources"
    # Sizes of files that the app names are asked for, nothing is collected.
    cat >"$folder/Resources/PrivacyInfo.xcprivacy" <<END
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>NSPrivacyTracking</key><false/>
    <key>NSPrivacyTrackingDomains</key><array/>
    <key>NSPrivacyCollectedDataTypes</key><array/>
    <key>NSPrivacyAccessedAPITypes</key>
    <array>
        <dict>
            <key>NSPrivacyAccessedAPIType</key><string>NSPrivacyAccessedAPICategoryFileTimestamp</string>
            <key>NSPrivacyAccessedAPITypeReasons</key>
            <array><string>C617.1</string><string>3B52.1</string></array>
        </dict>
    </array>
</dict>
</plist>
END
    cat >"$folder/Resources/Info.plist" <<END
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>CFBundleExecutable</key><string>CSupmer</string>
    <key>CFBundleIdentifier</key><string>supmer.CSupmer</string>
    <key>CFBundleName</key><string>CSupmer</string>
    <key>CFBundlePackageType</key><string>FMWK</string>
    <key>CFBundleShortVersionString</key><string>$version</string>
    <key>CFBundleVersion</key><string>$version</string>
    <key>$least</key><string>$system</string>
</dict>
</plist>
END
}

# iOS has the property lists beside the library; macOS has everything in a folder of its version, and links to it.
flat() {
    mv "$1/CSupmer.framework/Resources/"* "$1/CSupmer.framework/"
    rmdir "$1/CSupmer.framework/Resources"
}
versioned() {
    local folder=$1/CSupmer.framework item
    mkdir -p "$folder/Versions/A"
    ln -s A "$folder/Versions/Current"
    for item in CSupmer Headers Modules Resources; do
        mv "$folder/$item" "$folder/Versions/A/"
        ln -s "Versions/Current/$item" "$folder/$item"
    done
}

framework "$out/macos" "LSMinimumSystemVersion $MACOSX_DEPLOYMENT_TARGET" aarch64-apple-darwin x86_64-apple-darwin
versioned "$out/macos"
framework "$out/ios" "MinimumOSVersion $IPHONEOS_DEPLOYMENT_TARGET" aarch64-apple-ios
flat "$out/ios"
framework "$out/ios-simulator" "MinimumOSVersion $IPHONEOS_DEPLOYMENT_TARGET" aarch64-apple-ios-sim x86_64-apple-ios
flat "$out/ios-simulator"

rm -rf "$out/CSupmer.xcframework" "$out/CSupmer.xcframework.zip"
xcodebuild -create-xcframework -output "$out/CSupmer.xcframework" \
    -framework "$out/macos/CSupmer.framework" \
    -framework "$out/ios/CSupmer.framework" \
    -framework "$out/ios-simulator/CSupmer.framework"
(cd "$out" && zip -9 -r -q --symlinks CSupmer.xcframework.zip CSupmer.xcframework)
echo "checksum: $(swift package compute-checksum "$out/CSupmer.xcframework.zip")"
