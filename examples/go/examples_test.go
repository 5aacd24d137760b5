package examples

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"testing"
)

// Every program prints what the same program in the other languages prints.
func TestTheProgramsPrintWhatIsExpected(t *testing.T) {
	file, err := os.ReadFile("../expected.json")
	if err != nil {
		t.Fatal(err)
	}
	expected := parse(t, file)
	for _, name := range []string{"classify", "many_adapters", "cancel", "save_load", "memory_budget"} {
		t.Run(name, func(t *testing.T) {
			if expected[name] == nil {
				t.Fatalf("expected.json has no %q", name)
			}
			output := run(t, name, "../../tests/fixtures/tiny-llama-tied", "../customers")
			compare(t, name, expected[name], any(parse(t, output)))
		})
	}
}

func TestWrongUseHasItsExitCode(t *testing.T) {
	for _, c := range []struct {
		code      int
		arguments []string
	}{{2, nil}, {1, []string{"no such model", "../customers"}}} {
		program := t.TempDir() + "/classify"
		if output, err := exec.Command("go", "build", "-o", program, "./classify").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		command := exec.Command(program, c.arguments...)
		if command.Run(); command.ProcessState.ExitCode() != c.code {
			t.Errorf("%q: exit code %d", c.arguments, command.ProcessState.ExitCode())
		}
	}
}

func parse(t *testing.T, text []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // an integer and a number that happens to be whole are compared differently
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return object
}

func run(t *testing.T, name string, arguments ...string) []byte {
	t.Helper()
	command := exec.Command("go", append([]string{"run", "./" + name}, arguments...)...)
	var problems bytes.Buffer
	command.Stderr = &problems
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	return output
}

// compare asks for equal members, lengths, texts, booleans and integers; other numbers may differ by 1e-5 of their size,
// or by 1e-5 when they are below 1.
func compare(t *testing.T, where string, expected, output any) {
	t.Helper()
	switch expected := expected.(type) {
	case map[string]any:
		output, ok := output.(map[string]any)
		if !ok || len(output) != len(expected) {
			t.Errorf("%s: %v instead of %v", where, output, expected)
			return
		}
		for name, value := range expected {
			compare(t, where+"."+name, value, output[name])
		}
	case []any:
		output, ok := output.([]any)
		if !ok || len(output) != len(expected) {
			t.Errorf("%s: %v instead of %v", where, output, expected)
			return
		}
		for i, value := range expected {
			compare(t, fmt.Sprintf("%s[%d]", where, i), value, output[i])
		}
	case json.Number:
		output, ok := output.(json.Number)
		want, _ := expected.Float64()
		got, _ := output.Float64()
		tolerance := 1e-5 * math.Max(1, math.Abs(want))
		if _, err := expected.Int64(); err == nil {
			tolerance = 0
		}
		if !ok || !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s: %v instead of %v", where, output, expected)
		}
	default:
		if output != expected {
			t.Errorf("%s: %v instead of %v", where, output, expected)
		}
	}
}
