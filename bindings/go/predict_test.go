package supmer_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	supmer "supmer/bindings/go"
)

var texts = []string{"good and warm", "cold, bad, cold", "warm", "so cold that it is good"}

func TestABatchGivesWhatSingleTextsGive(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 3})
	batch, err := model.PredictBatch(ctx, adapter, texts, nil)
	if err != nil || len(batch) != len(texts) {
		t.Fatalf("%d predictions: %v", len(batch), err)
	}
	for i, text := range texts {
		single, err := model.Predict(ctx, adapter, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		row, err := model.PredictJSON(ctx, adapter, []byte(`{"id": 3, "text": "`+text+`"}`), nil)
		if err != nil || !reflect.DeepEqual(row, single) {
			t.Errorf("%q: %v as JSON, %v as text: %v", text, row, single, err)
		}
		if !near(single.Probabilities, batch[i].Probabilities) || single.Index != batch[i].Index {
			t.Errorf("%q: %v alone, %v in the batch", text, single, batch[i])
		}
		if sum := single.Probabilities[0] + single.Probabilities[1]; math.Abs(float64(sum-1)) > 1e-5 {
			t.Errorf("%q: probabilities add up to %v", text, sum)
		}
		if single.Label != adapter.Labels()[single.Index] {
			t.Errorf("%q: label %q of index %d", text, single.Label, single.Index)
		}
	}
	if none, err := model.PredictBatch(ctx, adapter, nil, nil); err != nil || len(none) != 0 {
		t.Errorf("no texts: %v, %v", none, err)
	}
}

func TestAMixedBatchGivesEachRowItsAdapter(t *testing.T) {
	model := openModel(t)
	two := adapt(t, model, &supmer.AdaptOptions{Steps: 3})
	threeLabels, err := supmer.NewTask("three", "{text}?", append(labels, supmer.Label{Name: "warm", Verbalizer: "warm"}))
	closing(t, threeLabels, err)
	for _, label := range []string{"bad", "good", "warm"} {
		if err := threeLabels.AddExample("so "+label, label); err != nil {
			t.Fatal(err)
		}
	}
	three, _, err := model.Adapt(ctx, threeLabels, &supmer.AdaptOptions{Steps: 3})
	closing(t, three, err)
	var rows []supmer.Row
	for _, text := range texts {
		rows = append(rows, supmer.Row{Adapter: two, Text: text}, supmer.Row{Adapter: three, Text: text})
	}
	mixed, err := model.PredictMixed(ctx, rows, nil)
	if err != nil || len(mixed) != len(rows) {
		t.Fatalf("%d predictions: %v", len(mixed), err)
	}
	for i, row := range rows {
		single, err := model.Predict(ctx, row.Adapter, row.Text, nil)
		if err != nil || len(mixed[i].Probabilities) != 2+i%2 || mixed[i].Label != single.Label ||
			!near(mixed[i].Probabilities, single.Probabilities) {
			t.Errorf("row %d: %v alone, %v in the batch: %v", i, single, mixed[i], err)
		}
	}
	if none, err := model.PredictMixed(ctx, nil, nil); err != nil || len(none) != 0 {
		t.Errorf("no rows: %v, %v", none, err)
	}
}

func TestPredictionsTellHowManyRowsAreDoneAndCanBeStopped(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 2})
	var done []uint64
	options := &supmer.PredictOptions{BatchSize: 3, Progress: func(progress supmer.Progress) error {
		if progress.Stage != supmer.StagePredict || progress.Total != uint64(len(texts)) {
			t.Errorf("%+v", progress)
		}
		done = append(done, progress.Done)
		return nil
	}}
	_, err := model.PredictBatch(ctx, adapter, texts, options)
	if err != nil || !reflect.DeepEqual(done, []uint64{3, 4}) {
		t.Errorf("%v were told: %v", done, err)
	}
	reason := errors.New("enough")
	stop := &supmer.PredictOptions{Progress: func(supmer.Progress) error { return reason }}
	_, batch := model.PredictBatch(ctx, adapter, texts, stop)
	_, mixed := model.PredictMixed(ctx, []supmer.Row{{Adapter: adapter, Text: "warm"}}, stop)
	_, text := model.Predict(ctx, adapter, "warm", stop)
	_, row := model.PredictJSON(ctx, adapter, []byte(`{"text": "warm"}`), stop)
	for at, err := range []error{batch, mixed, text, row} {
		if !errors.Is(err, reason) || !errors.Is(err, supmer.ErrCancelled) {
			t.Errorf("call %d: %v", at, err)
		}
	}
}

func TestAPredictionMayAbstain(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 2})
	prediction, err := model.Predict(ctx, adapter, "warm", &supmer.PredictOptions{AbstainBelow: 1})
	if err != nil || prediction.Index != supmer.Abstained || prediction.Label != "" || len(prediction.Probabilities) != 2 {
		t.Errorf("%+v, %v", prediction, err)
	}
}

func TestABadTextFailsTheBatch(t *testing.T) {
	model := openModel(t)
	adapter := adapt(t, model, &supmer.AdaptOptions{Steps: 2})
	if _, err := model.PredictBatch(ctx, adapter, []string{"warm", "\xff"}, nil); !errors.Is(err, supmer.ErrInvalidUTF8) {
		t.Error(err)
	}
	if _, err := model.PredictJSON(ctx, adapter, []byte(`["warm"]`), nil); !errors.Is(err, supmer.ErrInvalidExample) {
		t.Error(err)
	}
}

// near compares probabilities that were computed in batches of another form.
func near(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-5 {
			return false
		}
	}
	return true
}
