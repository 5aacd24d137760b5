package supmer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	supmer "supmer/bindings/go"
)

var ctx = context.Background()

const (
	fixtures = "../../tests/fixtures"
	modelDir = fixtures + "/tiny-llama-tied"
)

// Every test closes what it made, so nothing is alive when all have run.
func TestMain(m *testing.M) {
	code := m.Run()
	if count := supmer.LiveHandleCount(); code == 0 && count != 0 {
		fmt.Fprintf(os.Stderr, "%d handles were not freed\n", count)
		code = 1
	}
	os.Exit(code)
}

// closing gives a value or ends the test, and closes it with the test.
func closing[T interface{ Close() error }](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { value.Close() })
	return value
}

func openModel(t testing.TB) *supmer.Model {
	t.Helper()
	model, err := supmer.LoadModel(ctx, modelDir, &supmer.ModelOptions{ThreadCount: 1})
	return closing(t, model, err)
}

var labels = []supmer.Label{{Name: "bad", Verbalizer: "bad"}, {Name: "good", Verbalizer: "good"}}

func newTask(t testing.TB) *supmer.Task {
	t.Helper()
	task, err := supmer.NewTask("weather", "{text}\nSo:", labels)
	closing(t, task, err)
	examples := [][2]string{{"cold", "bad"}, {"warm", "good"}, {"cold, bad", "bad"}, {"good and warm", "good"}}
	for _, example := range examples {
		if err := task.AddExample(example[0], example[1]); err != nil {
			t.Fatal(err)
		}
	}
	return task
}

func adapt(t testing.TB, model *supmer.Model, options *supmer.AdaptOptions) *supmer.Adapter {
	t.Helper()
	adapter, _, err := model.Adapt(ctx, newTask(t), options)
	return closing(t, adapter, err)
}

func modelFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"config.json", "tokenizer.json", "model.safetensors"} {
		files[name] = read(t, filepath.Join(modelDir, name))
	}
	return files
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	bytes, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// collect runs the garbage collector until as few handles are alive, which takes a round for the finalizers.
func collect(t *testing.T, count int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); supmer.LiveHandleCount() > count; {
		if time.Now().After(deadline) {
			t.Fatalf("%d handles are alive, %d were expected", supmer.LiveHandleCount(), count)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}
