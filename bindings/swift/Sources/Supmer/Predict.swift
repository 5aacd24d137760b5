import CSupmer

extension Model {
    /// Predicts one text, for a template with the field `{text}`. The first prediction with an adapter computes the
    /// state of its prompt, later ones find it in the model's cache.
    ///
    /// Throws ``Status/backboneMismatch``, ``Status/invalidExample``, ``Status/invalidOption``, ``Status/tooLarge``,
    /// ``Status/cancelled``.
    public func predict(
        _ text: String,
        with adapter: Adapter,
        options: PredictOptions = .init()
    ) throws(SupmerError) -> Prediction {
        try predictRow(adapter) { probabilities, label, error in
            options.withC {
                supmer_predict(
                    handle, adapter.handle, text, text.utf8.count, $0, probabilities.baseAddress, probabilities.count,
                    label, error)
            }
        }
    }

    /// Predicts one row of any fields, given as a JSON object such as `{"title": "...", "body": "..."}`. Members that
    /// the template does not name are left out; numbers, true and false are taken as text.
    ///
    /// Throws as ``predict(_:with:options:)``; ``Status/invalidExample`` also when it is no JSON object or lacks a
    /// field of the template.
    public func predict(
        json: String,
        with adapter: Adapter,
        options: PredictOptions = .init()
    ) throws(SupmerError) -> Prediction {
        try predictRow(adapter) { probabilities, label, error in
            options.withC {
                supmer_predict_row_json(
                    handle, adapter.handle, json, json.utf8.count, $0, probabilities.baseAddress, probabilities.count,
                    label, error)
            }
        }
    }

    private func predictRow(
        _ adapter: Adapter,
        _ call: (
            _ probabilities: UnsafeMutableBufferPointer<Float>, _ label: UnsafeMutablePointer<Int32>,
            _ error: UnsafeMutablePointer<OpaquePointer?>
        ) -> supmer_status
    ) throws(SupmerError) -> Prediction {
        var label: Int32 = 0
        var probabilities = [Float](repeating: 0, count: adapter.labels.count)
        try check { error in
            withExtendedLifetime((self, adapter)) {
                probabilities.withUnsafeMutableBufferPointer { call($0, &label, error) }
            }
        }
        return Prediction(label, probabilities, of: adapter)
    }
}
