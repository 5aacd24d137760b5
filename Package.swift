// swift-tools-version: 6.0
// It lies here because Swift packages are found at the root of a repository; the sources are in bindings/swift.
import PackageDescription

/// The C library: an XCFramework that bindings/swift/scripts/xcframework.sh made, when SUPMER_XCFRAMEWORK names one
/// (a path from here), else the library of the system through pkg-config.
let library: Target =
    if let framework = Context.environment["SUPMER_XCFRAMEWORK"] {
        .binaryTarget(name: "CSupmer", path: framework)
    } else {
        .systemLibrary(name: "CSupmer", path: "bindings/swift/Sources/CSupmer", pkgConfig: "supmer")
    }

let package = Package(
    name: "supmer",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [.library(name: "Supmer", targets: ["Supmer"])],
    targets: [
        library,
        .target(name: "Supmer", dependencies: ["CSupmer"], path: "bindings/swift/Sources/Supmer"),
        .testTarget(name: "SupmerTests", dependencies: ["Supmer"], path: "bindings/swift/Tests/SupmerTests"),
    ]
)
