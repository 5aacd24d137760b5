package supmer

// #include "supmer.h"
import "C"

import "unsafe"

// Task is what to learn: labels, a template that turns a text into a question, and labelled examples.
type Task struct{ handle *handle }

// Label is one of the answers of a task.
type Label struct {
	// Name is the label as examples name it.
	Name string
	// Verbalizer is what the model shall say for it, usually a space and one common word: " great".
	Verbalizer string
}

// NewTask makes a task without examples. The template has fields in braces, such as "{text}\nSentiment:", and is
// checked by [Model.Adapt]. Predictions list labels in this order.
func NewTask(name, template string, labels []Label) (*Task, error) {
	text, length := chars(name)
	var object *C.supmer_task
	var failed *C.supmer_error
	status := C.supmer_task_new(text, length, &object, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	task := newTask(object)
	if err := task.describe(template, labels); err != nil {
		task.Close()
		return nil, err
	}
	return task, nil
}

// ReadTask reads name, template and labels from a file:
//
//	{"name": "...", "template": "{text}\nSentiment:", "labels": [{"name": "...", "verbalizer": " ..."}]}
func ReadTask(path string) (*Task, error) {
	text, length := chars(path)
	var task *C.supmer_task
	var failed *C.supmer_error
	status := C.supmer_task_read(text, length, &task, &failed)
	if err := outcome(status, failed, nil); err != nil {
		return nil, err
	}
	return newTask(task), nil
}

// AddExample adds an example for a template with the field {text}.
func (t *Task) AddExample(text, label string) error {
	return t.change(func(task *C.supmer_task) error {
		words, length := chars(text)
		answer, answerLength := chars(label)
		var failed *C.supmer_error
		status := C.supmer_task_add_example(task, words, length, answer, answerLength, &failed)
		return outcome(status, failed, nil)
	})
}

// AddExamplePair adds an example for a template with the fields {text_a} and {text_b}.
func (t *Task) AddExamplePair(textA, textB, label string) error {
	return t.change(func(task *C.supmer_task) error {
		first, firstLength := chars(textA)
		second, secondLength := chars(textB)
		answer, answerLength := chars(label)
		var failed *C.supmer_error
		status := C.supmer_task_add_example_pair(
			task, first, firstLength, second, secondLength, answer, answerLength, &failed)
		return outcome(status, failed, nil)
	})
}

// AddExampleJSON adds an example with any fields, as a JSON object such as {"title": "...", "label": "..."}. Members
// that the template does not name are left out; numbers, true and false are taken as text.
func (t *Task) AddExampleJSON(object []byte) error {
	return t.change(func(task *C.supmer_task) error {
		bytes, length := octets(object)
		var failed *C.supmer_error
		status := C.supmer_task_add_example_json(task, (*C.char)(unsafe.Pointer(bytes)), length, &failed)
		return outcome(status, failed, nil)
	})
}

// Count says how many examples the task has; 0 for a task that was closed.
func (t *Task) Count() int {
	task, err := t.hold()
	if err != nil {
		return 0
	}
	defer t.handle.release()
	return int(C.supmer_task_count(task))
}

// Close frees the task; adapters made from it stay usable. It always returns nil.
func (t *Task) Close() error {
	if t != nil {
		t.handle.close()
	}
	return nil
}

func newTask(task *C.supmer_task) *Task {
	return &Task{newHandle("task", unsafe.Pointer(task), func(object unsafe.Pointer) {
		C.supmer_task_free((*C.supmer_task)(object))
	})}
}

func (t *Task) describe(template string, labels []Label) error {
	return t.change(func(task *C.supmer_task) error {
		for _, label := range labels {
			name, nameLength := chars(label.Name)
			verbalizer, verbalizerLength := chars(label.Verbalizer)
			var failed *C.supmer_error
			status := C.supmer_task_add_label(task, name, nameLength, verbalizer, verbalizerLength, &failed)
			if err := outcome(status, failed, nil); err != nil {
				return err
			}
		}
		text, length := chars(template)
		var failed *C.supmer_error
		status := C.supmer_task_set_template(task, text, length, &failed)
		return outcome(status, failed, nil)
	})
}

func (t *Task) change(call func(*C.supmer_task) error) error {
	if t == nil {
		return notOpen("task")
	}
	return t.handle.change(func(object unsafe.Pointer) error { return call((*C.supmer_task)(object)) })
}

func (t *Task) hold() (*C.supmer_task, error) {
	if t == nil {
		return nil, notOpen("task")
	}
	object, err := t.handle.hold()
	return (*C.supmer_task)(object), err
}
