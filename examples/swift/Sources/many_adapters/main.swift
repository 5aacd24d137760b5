// Three customers, one model in memory, their messages mixed in one batch. See examples/README.md.
import Customers
import Supmer

struct Row: Encodable {
    let customer: String
    let label: String?
    let probabilities: [Float]
}

struct Output: Encodable {
    var program = "many_adapters"
    let rows: [Row]
    let sameAlone: Bool
}

await run { model, data in
    var learned: [(customer: Customer, adapter: Adapter)] = []
    for name in Customer.names {
        let customer = try Customer(name, in: data)
        let (adapter, _) = try await customer.learn(with: model, options: adaptOptions(steps: 10))
        learned.append((customer, adapter))
    }

    // Every customer's first message, then every customer's second, and so on.
    let turns = learned[0].customer.newTexts.indices.flatMap { line in
        learned.map { (name: $0.customer.name, text: $0.customer.newTexts[line], adapter: $0.adapter) }
    }
    let mixed = try model.predictMixed(turns.map { ($0.text, $0.adapter) })

    var sameAlone = true
    for (turn, together) in zip(turns, mixed) {
        let alone = try model.predict(turn.text, with: turn.adapter)
        sameAlone = sameAlone && zip(together.probabilities, alone.probabilities).allSatisfy { abs($0 - $1) <= 1e-5 }
    }
    return Output(
        rows: zip(turns, mixed).map { Row(customer: $0.name, label: $1.label, probabilities: $1.probabilities) },
        sameAlone: sameAlone
    )
}
