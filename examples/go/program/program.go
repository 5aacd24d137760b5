// Package program is the frame of the examples: two arguments in, one JSON object out.
package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	supmer "supmer/bindings/go"
)

// Main runs an example. It ends the program with 2 for wrong arguments and with 1 for an error or for handles that were
// left open.
func Main(run func(model, data string) (any, error)) {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, "usage: %s MODEL DATA\n", filepath.Base(os.Args[0]))
		os.Exit(2)
	}
	result, err := run(os.Args[1], os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v (%s)\n", err, Status(err))
		os.Exit(1)
	}
	if count := supmer.LiveHandleCount(); count != 0 {
		fmt.Fprintf(os.Stderr, "%d handles were not closed\n", count)
		os.Exit(1)
	}
}

// Status names what came of a call: "ok", or the status of the library's error.
func Status(err error) string {
	var failure *supmer.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &failure):
		return failure.Status.Error()
	default:
		return "not of the library"
	}
}
