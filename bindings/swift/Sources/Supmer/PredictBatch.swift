import CSupmer

extension Model {
    /// Predicts many texts, for a template with the field `{text}`, faster than one by one.
    ///
    /// Throws as ``predict(_:with:options:)``; one bad text fails the call, and the message says which.
    public func predictBatch(
        _ texts: [String],
        with adapter: Adapter,
        options: PredictOptions = .init()
    ) throws(SupmerError) -> [Prediction] {
        var results = RowResults(count: texts.count, stride: adapter.labels.count)
        let blob = TextBlob(texts)
        try check { error in
            withExtendedLifetime((self, adapter)) {
                options.withC { options in
                    blob.withC { bytes, offsets in
                        results.withC { probabilities, labels in
                            supmer_predict_batch(
                                handle, adapter.handle, bytes.baseAddress, bytes.count, offsets.baseAddress,
                                texts.count, options, probabilities.baseAddress, probabilities.count, labels.baseAddress, error)
                        }
                    }
                }
            }
        }
        return texts.indices.map { results.prediction($0, of: adapter) }
    }

    /// Predicts many texts, each with an adapter of its own: the texts of many customers in one batch.
    ///
    /// Throws as ``predictBatch(_:with:options:)``.
    public func predictMixed(
        _ rows: [(text: String, adapter: Adapter)],
        options: PredictOptions = .init()
    ) throws(SupmerError) -> [Prediction] {
        let stride = rows.map(\.adapter.labels.count).max() ?? 0
        var results = RowResults(count: rows.count, stride: stride)
        let blob = TextBlob(rows.map(\.text))
        let adapters: [OpaquePointer?] = rows.map(\.adapter.handle)
        try check { error in
            withExtendedLifetime((self, rows)) {
                options.withC { options in
                    blob.withC { bytes, offsets in
                        results.withC { probabilities, labels in
                            supmer_predict_mixed(
                                handle, adapters, bytes.baseAddress, bytes.count, offsets.baseAddress, rows.count,
                                options, probabilities.baseAddress, stride, labels.baseAddress, error)
                        }
                    }
                }
            }
        }
        return rows.indices.map { results.prediction($0, of: rows[$0].adapter) }
    }
}
