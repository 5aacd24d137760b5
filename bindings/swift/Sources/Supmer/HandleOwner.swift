/// A class that owns one handle of the library and frees it when nothing refers to the object any more.
protocol HandleOwner: AnyObject {
    var handle: OpaquePointer { get }
}

extension HandleOwner {
    /// Lends the handle to `body`. The object lives until `body` returns; reading `handle` alone would not promise
    /// that.
    func withHandle<Value>(_ body: (OpaquePointer) -> Value) -> Value {
        withExtendedLifetime(self) { body(handle) }
    }
}
