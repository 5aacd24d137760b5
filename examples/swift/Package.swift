// swift-tools-version: 6.0
import PackageDescription

/// The five programs of examples/README.md, built as an app would: on the package at the root of the repository.
let programs = ["classify", "many_adapters", "cancel", "save_load", "memory_budget"]

let supmer = Target.Dependency.product(name: "Supmer", package: "supmer")

let package = Package(
    name: "examples",
    platforms: [.macOS(.v13)],
    dependencies: [.package(name: "supmer", path: "../..")],
    targets: [.target(name: "Customers", dependencies: [supmer])]
        + programs.map { .executableTarget(name: $0, dependencies: ["Customers", supmer]) }
)
