package poll

import (
	"time"

	"qualifyd/rules"
	"qualifyd/sync/salesforce"
)

// Outline is what a pass would do, as far as the config and the describes tell.
type Outline struct {
	Rules   []rules.Rule              // as a pass would see them, in the order of the campaigns
	Wanted  map[rules.Object][]string // the fields that an object's records are read for, readable or not
	Queries []salesforce.Query        // what an idle pass asks: everything that changed since an instant
}

// Described are the objects that a pass asks the describe of.
func Described(o Options) []rules.Object {
	return (&pass{Poller: New(o), Settings: o.Settings}).objects()
}

// OutlineOf works out what a pass would do. It asks nobody, and needs no store. An object that is not in d is taken for one that the
// Salesforce user may not see.
func OutlineOf(o Options, d map[rules.Object]salesforce.Describe, since time.Time) Outline {
	t := &pass{Poller: New(o), Settings: o.Settings, described: map[rules.Object]described{}, rules: map[int64]rules.Rule{}}
	for _, object := range t.objects() {
		one, ok := d[object]
		t.described[object] = described{Describe: one, Gone: !ok}
	}
	out := Outline{Wanted: map[rules.Object][]string{}}
	for _, c := range t.Campaigns {
		rule := t.described.resolve(c)
		t.rules[c.ID] = rule
		out.Rules = append(out.Rules, rule)
	}
	for _, object := range t.objects() {
		out.Wanted[object] = t.wanted(object)
	}
	for _, name := range t.queries() {
		soql := t.deltaSoql(&delta{name: name, stamp: stampOf(name), from: since})
		out.Queries = append(out.Queries, salesforce.Query{Name: name, SOQL: soql})
	}
	return out
}
