package deliver_test

import (
	"time"

	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

var (
	arrives    = sandbox.Fault{Lost: true}    // the request does, its answer does not
	neverDoes  = sandbox.Fault{Refused: true} // the request does not arrive
	isRefused  = sandbox.Fault{Status: 422, Body: `{"message":"no"}`}
	wasAllOver = func(w *world) { time.Sleep(deliver.ResendAfter) }
)

// states are where a referral may stand, with what is owed about it.
var states = []struct {
	name  string
	reach func(w *world) int64
}{
	{"pending", (*world).pending},
	{"pending, braked", (*world).braked},
	{"owed", (*world).owe},
	{"owed, arrived", func(w *world) int64 { id := w.owe(); w.trying(arrives); return id }},
	{"owed, not arrived", func(w *world) int64 { id := w.owe(); w.trying(neverDoes); return id }},
	{"owed, arrived, to be set back", func(w *world) int64 {
		id := w.owe()
		w.trying(arrives)
		w.must(id, poll.Unqualify)
		return id
	}},
	{"owed, not arrived, to be set back", func(w *world) int64 {
		id := w.owe()
		w.trying(neverDoes)
		w.must(id, poll.Unqualify)
		return id
	}},
	{"rejected", func(w *world) int64 { id := w.owe(); w.trying(isRefused); return id }},
	{"delivered", func(w *world) int64 { id := w.owe(); w.run(); return id }},
	{"elsewhere", func(w *world) int64 { id := w.owe(); w.rf.SetQualified(id, true); w.run(); return id }},
	{"overridden", func(w *world) int64 { id := w.owe(); w.run(); w.rf.SetQualified(id, false); w.sweep(id); return id }},
	{"delivered, to be set back", func(w *world) int64 { id := w.owe(); w.run(); w.must(id, poll.Unqualify); return id }},
	{"delivered, setting back arrived", func(w *world) int64 {
		id := w.owe()
		w.run()
		w.must(id, poll.Unqualify)
		w.trying(arrives)
		return id
	}},
	{"delivered, setting back not arrived", func(w *world) int64 {
		id := w.owe()
		w.run()
		w.must(id, poll.Unqualify)
		w.trying(neverDoes)
		return id
	}},
	{"delivered, setting back refused", func(w *world) int64 {
		id := w.owe()
		w.run()
		w.must(id, poll.Unqualify)
		w.trying(isRefused)
		return id
	}},
	{"delivered, setting back arrived, to be qualified", func(w *world) int64 {
		id := w.owe()
		w.run()
		w.must(id, poll.Unqualify)
		w.trying(arrives)
		w.must(id, poll.Qualify)
		return id
	}},
	{"delivered, setting back not arrived, to be qualified", func(w *world) int64 {
		id := w.owe()
		w.run()
		w.must(id, poll.Unqualify)
		w.trying(neverDoes)
		w.must(id, poll.Qualify)
		return id
	}},
}

var orders = map[string]order{"nothing": nil, "qualify": poll.Qualify, "unqualify": poll.Unqualify, "drop": poll.Drop, "retry": poll.Retry}

// cell is what comes of an order in a state: what is said ("!" before a refusal), and how it ends: the standing, and the requests that arrive after the order
// ("+" qualifies, "-" sets back).
type cell struct{ said, ends string }

var cells = map[string]map[string]cell{
	"pending": {
		"nothing": {"", "pending"}, "qualify": {"is owed", "delivered +"}, "unqualify": {"!is not qualified but pending", "pending"},
		"drop": {"!nothing is owed", "pending"}, "retry": {"!nothing is owed", "pending"},
	},
	"pending, braked": {
		"nothing": {"", "pending"}, "qualify": {"is owed", "delivered +"}, "unqualify": {"not held by the brake any more", "overridden"},
		"drop": {"is dropped", "overridden"}, "retry": {"!nothing is owed", "pending"},
	},
	"owed": {
		"nothing": {"", "delivered +"}, "qualify": {"is owed already", "delivered +"}, "unqualify": {"nothing was sent", "overridden"},
		"drop": {"is dropped", "overridden"}, "retry": {"is tried at once", "delivered +"},
	},
	"owed, arrived": {
		"nothing": {"", "delivered"}, "qualify": {"is owed already", "delivered"}, "unqualify": {"once it is known", "overridden -"},
		"drop": {"!may have had its effect", "delivered"}, "retry": {"is read back", "delivered"},
	},
	"owed, not arrived": {
		"nothing": {"", "delivered +"}, "qualify": {"is owed already", "delivered +"}, "unqualify": {"once it is known", "overridden"},
		"drop": {"!may have had its effect", "delivered +"}, "retry": {"is read back", "delivered +"},
	},
	"owed, arrived, to be set back": {
		"nothing": {"", "overridden -"}, "qualify": {"after all", "delivered"}, "unqualify": {"already", "overridden -"},
		"drop": {"!may have had its effect", "overridden -"}, "retry": {"is read back", "overridden -"},
	},
	"owed, not arrived, to be set back": {
		"nothing": {"", "overridden"}, "qualify": {"after all", "delivered +"}, "unqualify": {"already", "overridden"},
		"drop": {"!may have had its effect", "overridden"}, "retry": {"is read back", "overridden"},
	},
	"rejected": {
		"nothing": {"", "rejected"}, "qualify": {"is owed", "delivered +"}, "unqualify": {"!is not qualified but rejected", "rejected"},
		"drop": {"is dropped", "overridden"}, "retry": {"is owed again", "delivered +"},
	},
	"delivered": {
		"nothing": {"", "delivered"}, "qualify": {"!is qualified since 2000-01-01", "delivered"}, "unqualify": {"is to be set back", "overridden -"},
		"drop": {"!nothing is owed", "delivered"}, "retry": {"!nothing is owed", "delivered"},
	},
	"elsewhere": {
		"nothing": {"", "elsewhere"}, "qualify": {"!is qualified since 2000-01-01", "elsewhere"}, "unqualify": {"is to be set back", "overridden -"},
		"drop": {"!nothing is owed", "elsewhere"}, "retry": {"!nothing is owed", "elsewhere"},
	},
	"overridden": {
		"nothing": {"", "overridden"}, "qualify": {"is owed", "delivered +"}, "unqualify": {"!is not qualified but overridden", "overridden"},
		"drop": {"!nothing is owed", "overridden"}, "retry": {"!nothing is owed", "overridden"},
	},
	"delivered, to be set back": {
		"nothing": {"", "overridden -"}, "qualify": {"stays qualified", "delivered"}, "unqualify": {"already", "overridden -"},
		"drop": {"stays qualified", "delivered"}, "retry": {"is tried at once", "overridden -"},
	},
	"delivered, setting back arrived": {
		"nothing": {"", "overridden"}, "qualify": {"after all", "delivered +"}, "unqualify": {"already", "overridden"},
		"drop": {"!may have had its effect", "overridden"}, "retry": {"is read back", "overridden"},
	},
	"delivered, setting back not arrived": {
		"nothing": {"", "overridden -"}, "qualify": {"after all", "delivered"}, "unqualify": {"already", "overridden -"},
		"drop": {"!may have had its effect", "overridden -"}, "retry": {"is read back", "overridden -"},
	},
	"delivered, setting back refused": {
		"nothing": {"", "delivered"}, "qualify": {"stays qualified", "delivered"}, "unqualify": {"Referral Factory refuses it", "delivered"},
		"drop": {"stays qualified", "delivered"}, "retry": {"is to be set back again", "overridden -"},
	},
	"delivered, setting back arrived, to be qualified": {
		"nothing": {"", "delivered +"}, "qualify": {"is owed already", "delivered +"}, "unqualify": {"once it is known", "overridden"},
		"drop": {"!may have had its effect", "delivered +"}, "retry": {"is read back", "delivered +"},
	},
	"delivered, setting back not arrived, to be qualified": {
		"nothing": {"", "delivered"}, "qualify": {"is owed already", "delivered"}, "unqualify": {"once it is known", "overridden -"},
		"drop": {"!may have had its effect", "delivered"}, "retry": {"is read back", "delivered"},
	},
}
