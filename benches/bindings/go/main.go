// A worker of `make bench-bindings`: the time of a prediction called from Go.
//
//	go MODEL ADAPTER CALLS
//
// Prints the median of CALLS calls in microseconds.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"time"

	supmer "supmer/bindings/go"
)

const (
	text   = "rain from the west"
	warmUp = 50
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("go MODEL ADAPTER CALLS")
	}
	calls, err := strconv.Atoi(os.Args[3])
	if err != nil || calls < 1 {
		log.Fatal("CALLS is a number above 0")
	}
	median, err := measure(os.Args[1], os.Args[2], calls)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.3f\n", median)
}

func measure(modelPath, adapterPath string, calls int) (median float64, err error) {
	ctx := context.Background()
	model, err := supmer.LoadModel(ctx, modelPath, &supmer.ModelOptions{ThreadCount: 1})
	if err != nil {
		return 0, err
	}
	defer model.Close()
	adapter, err := supmer.LoadAdapter(adapterPath)
	if err != nil {
		return 0, err
	}
	defer adapter.Close()

	var times []float64
	for call := range warmUp + calls {
		began := time.Now()
		if _, err := model.Predict(ctx, adapter, text, nil); err != nil {
			return 0, err
		}
		if took := time.Since(began); call >= warmUp {
			times = append(times, took.Seconds()*1e6)
		}
	}
	slices.Sort(times)
	return times[calls/2], nil
}
