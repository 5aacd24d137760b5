/// Where the results of a batch are written: `stride` probabilities and one label for each row.
struct RowResults {
    let stride: Int
    private var probabilities: [Float]
    private var labels: [Int32]

    init(count: Int, stride: Int) {
        self.stride = stride
        probabilities = [Float](repeating: 0, count: count * stride)
        labels = [Int32](repeating: 0, count: count)
    }

    mutating func withC<Value>(
        _ body: (UnsafeMutableBufferPointer<Float>, UnsafeMutableBufferPointer<Int32>) -> Value
    ) -> Value {
        probabilities.withUnsafeMutableBufferPointer { probabilities in
            labels.withUnsafeMutableBufferPointer { body(probabilities, $0) }
        }
    }

    /// The result of one row, whose labels may be fewer than `stride`.
    func prediction(_ row: Int, of adapter: Adapter) -> Prediction {
        let start = row * stride
        return Prediction(labels[row], Array(probabilities[start..<start + adapter.labels.count]), of: adapter)
    }
}
