package supmer_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	supmer "supmer/bindings/go"
)

// lines is a log that threads may write to.
type lines struct {
	mutex sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.Buffer.Write(line)
}

func (l *lines) Len() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.Buffer.Len()
}

func TestTheLogGoesToTheLogger(t *testing.T) {
	t.Cleanup(func() { supmer.SetLogger(nil) })
	var first, second lines
	for _, log := range []*lines{&first, &second} {
		handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
		if err := supmer.SetLogger(slog.New(handler)); err != nil {
			t.Fatal(err)
		}
		openModel(t)
		if log.Len() == 0 {
			t.Error("nothing was logged")
		}
	}
	length := second.Len()
	wantsNothing := slog.New(slog.NewTextHandler(&second, &slog.HandlerOptions{Level: slog.Level(100)}))
	for _, silent := range []*slog.Logger{nil, wantsNothing} {
		if err := supmer.SetLogger(silent); err != nil {
			t.Fatal(err)
		}
		openModel(t)
	}
	if second.Len() != length {
		t.Errorf("logged after SetLogger: %s", second.String()[length:])
	}
}

// The program that ends is one of its own.
func TestAPanicOfTheLogHandlerEndsTheProgram(t *testing.T) {
	const mark = "SUPMER_TEST_PANIC_IN_LOG"
	if os.Getenv(mark) != "" {
		defer func() { recover() }() // must not catch it
		supmer.SetLogger(slog.New(panicking{}))
		supmer.LoadModel(ctx, modelDir, nil)
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), mark+"=1")
	output, err := command.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "panic: the handler's own") {
		t.Errorf("%v\n%s", err, output)
	}
}

type panicking struct{}

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("the handler's own") }
func (p panicking) WithAttrs([]slog.Attr) slog.Handler      { return p }
func (p panicking) WithGroup(string) slog.Handler           { return p }
