// A worker of `make bench-bindings`: the time of a prediction called from Swift.
//
//     call MODEL ADAPTER CALLS
//
// Prints the median of CALLS calls in microseconds.
import Foundation
import Supmer

let arguments = CommandLine.arguments
guard arguments.count == 4, let calls = Int(arguments[3]), calls > 0 else {
    FileHandle.standardError.write(Data("call MODEL ADAPTER CALLS\n".utf8))
    exit(1)
}
let warmUp = 50
let text = "rain from the west"

var options = ModelOptions()
options.threadCount = 1
let model = try Model(contentsOf: arguments[1], options: options)
let adapter = try Adapter(contentsOf: arguments[2])
let clock = ContinuousClock()
var times: [Duration] = []
for call in 0..<warmUp + calls {
    let took = try clock.measure {
        _ = try model.predict(text, with: adapter)
    }
    if call >= warmUp {
        times.append(took)
    }
}
times.sort()
print(times[calls / 2] / Duration.microseconds(1))
