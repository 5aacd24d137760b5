// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "bench",
    platforms: [.macOS(.v13)],
    dependencies: [.package(name: "supmer", path: "../../..")],
    targets: [
        .executableTarget(name: "call", dependencies: [.product(name: "Supmer", package: "supmer")])
    ]
)
