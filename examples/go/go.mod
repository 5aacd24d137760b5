module supmer/examples/go

go 1.22

require supmer/bindings/go v0.0.0

replace supmer/bindings/go => ../../bindings/go
