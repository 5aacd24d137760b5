/// Many texts laid end to end with the positions where they begin, the form in which a batch goes to C: two blocks of
/// memory however many texts there are.
struct TextBlob {
    private var bytes: [UInt8] = []
    private var offsets: [Int] = [0]

    init(_ texts: [String]) {
        bytes.reserveCapacity(texts.reduce(0) { $0 + $1.utf8.count })
        offsets.reserveCapacity(texts.count + 1)
        for text in texts {
            bytes.append(contentsOf: text.utf8)
            offsets.append(bytes.count)
        }
    }

    func withC<Value>(_ body: (UnsafeBufferPointer<CChar>, UnsafeBufferPointer<Int>) -> Value) -> Value {
        bytes.withUnsafeBytes { bytes in
            offsets.withUnsafeBufferPointer { body(bytes.assumingMemoryBound(to: CChar.self), $0) }
        }
    }
}
