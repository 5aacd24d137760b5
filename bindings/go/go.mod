module supmer/bindings/go

go 1.22
