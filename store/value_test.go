package store

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
)

// Every part of a value comes back as it was put, whatever it is: none and empty are two things, a time has its nanoseconds, and bytes that are no
// text stay. A field that a type of rules has got, and the layout has not, shows here.
func TestAValueComesBackAsItWasPut(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var c coder
	for range 2000 {
		var r rules.Referral
		var s rules.Snapshot
		anything(dice, reflect.ValueOf(&r).Elem())
		anything(dice, reflect.ValueOf(&s).Elem())
		raw, err := c.writeReferral(&r)
		if got, err := c.readOutline(raw); err != nil || !reflect.DeepEqual(got, Outline{r.ID, r.CampaignID, r.Standing, len(r.Blockers) > 0, r.Links}) {
			t.Fatalf("outline: got %+v and %v of %+v", got, err, r)
		}
		comesBack(t, bytes.Clone(raw), err, r, (*coder).readReferral, (*coder).writeReferral)
		raw, err = c.writeSnapshot(&s)
		comesBack(t, bytes.Clone(raw), err, s, (*coder).readSnapshot, (*coder).writeSnapshot)
		if t.Failed() {
			return
		}
	}
}

func comesBack[T any](t *testing.T, raw []byte, err error, want T, read func(*coder, []byte) (T, error), write func(*coder, *T) ([]byte, error)) {
	t.Helper()
	if err != nil {
		t.Fatalf("write: got %v, want no error", err)
	}
	var c coder
	got, err := read(&c, raw)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read: got %v and\n%s", err, cmp.Diff(want, got))
	}
	if again, err := write(&c, &got); err != nil || !bytes.Equal(again, raw) {
		t.Fatalf("written again: got %v and\n%q, want the same bytes\n%q", err, again, raw)
	}
	clear(raw) // as when the page is written over
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("after its bytes were written over: got\n%s", cmp.Diff(want, got))
	}
}

// anything makes a value of any type that rules has.
func anything(dice *rand.Rand, v reflect.Value) {
	few := dice.IntN(4) - 1 // elements; -1 for none
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf([]time.Time{
			{}, time.Unix(0, 0).UTC(), time.Unix(1_700_000_000+dice.Int64N(1e8), 0).UTC(), time.Unix(1_700_000_000, dice.Int64N(1e9)).UTC(),
			time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		}[dice.IntN(6)]))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			anything(dice, v.Field(i))
		}
	case v.Kind() == reflect.Slice && few >= 0:
		v.Set(reflect.MakeSlice(v.Type(), few, few))
		for i := range few {
			anything(dice, v.Index(i))
		}
	case v.Kind() == reflect.Map && few >= 0:
		v.Set(reflect.MakeMap(v.Type()))
		for range few {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			anything(dice, key)
			anything(dice, value)
			v.SetMapIndex(key, value)
		}
	case v.Kind() == reflect.String:
		v.SetString([]string{"", "Lead", "pending", "Müller", "a\x00b", "\xff", "x", strings.Repeat("y", dice.IntN(300))}[dice.IntN(8)])
	case v.Kind() == reflect.Bool:
		v.SetBool(dice.IntN(2) == 0)
	case v.CanInt():
		v.SetInt([]int64{0, 1, -1, 1 << 62, -1 << 63, dice.Int64()}[dice.IntN(6)])
	case v.CanUint():
		v.SetUint([]uint64{0, 1, 1 << 63, dice.Uint64()}[dice.IntN(4)])
	}
}

func TestATimeIsKeptInUTC(t *testing.T) {
	zone := time.FixedZone("", 7200)
	var c coder
	raw, err := c.writeReferral(&rules.Referral{Joined: time.Date(2026, 11, 2, 11, 30, 0, 7, zone)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.readReferral(raw)
	if want := time.Date(2026, 11, 2, 9, 30, 0, 7, time.UTC); err != nil || r.Joined != want {
		t.Errorf("got %v (%v), want %v", r.Joined, err, want)
	}
	if _, err := c.writeReferral(&rules.Referral{Joined: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Error("the year 10000: got no error, want one, as JSON has")
	}
}

// The words that can be in a value are written by their places; a word that is not listed, of a damaged or an imported value, is kept all the same.
func TestEveryWordHasAPlace(t *testing.T) {
	size := func(r rules.Referral) int {
		var c coder
		raw, err := c.writeReferral(&r)
		if err != nil {
			t.Fatal(err)
		}
		return len(raw)
	}
	empty := size(rules.Referral{})
	for _, standing := range rules.Standings() {
		if got := size(rules.Referral{Standing: standing}); got >= empty {
			t.Errorf("%s: got %d bytes, want fewer than %d: it is not among the words", standing, got, empty)
		}
	}
	for _, reason := range rules.Reasons() {
		if got := size(rules.Referral{Verdict: rules.Verdict{Reason: reason}}); got >= empty {
			t.Errorf("%s: got %d bytes, want fewer than %d: it is not among the words", reason, got, empty)
		}
	}
}

// Whatever is in the file, a value is read or refused; and what was read can be written and is read again.
func FuzzReadValue(f *testing.F) {
	var c coder
	dice := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		var r rules.Referral
		var s rules.Snapshot
		anything(dice, reflect.ValueOf(&r).Elem())
		anything(dice, reflect.ValueOf(&s).Elem())
		raw, _ := c.writeReferral(&r)
		f.Add(bytes.Clone(raw))
		raw, _ = c.writeSnapshot(&s)
		f.Add(bytes.Clone(raw))
	}
	f.Add([]byte(`{"ID":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c coder
		if r, err := c.readReferral(raw); err == nil {
			readsAgain(t, r, (*coder).readReferral, (*coder).writeReferral)
			if o, err := c.readOutline(raw); err != nil || !reflect.DeepEqual(o, Outline{r.ID, r.CampaignID, r.Standing, len(r.Blockers) > 0, r.Links}) {
				t.Errorf("outline: got %+v and %v of %+v", o, err, r)
			}
		}
		if s, err := c.readSnapshot(raw); err == nil {
			readsAgain(t, s, (*coder).readSnapshot, (*coder).writeSnapshot)
		}
	})
}

// readsAgain writes what was read, and reads it.
func readsAgain[T any](t *testing.T, value T, read func(*coder, []byte) (T, error), write func(*coder, *T) ([]byte, error)) {
	t.Helper()
	var c coder
	raw, err := write(&c, &value)
	if err != nil {
		return // times that no JSON could have
	}
	if got, err := read(&c, raw); err != nil || !reflect.DeepEqual(got, value) {
		before, _ := json.Marshal(value)
		t.Errorf("got %v and\n%s\nfor %s", err, cmp.Diff(value, got), before)
	}
}
