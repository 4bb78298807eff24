package simulation

import (
	"slices"
	"time"

	"qualifyd/sync/poll"
)

// settings are those of the config as it is now.
func (w *world) settings() poll.Settings {
	s := poll.Settings{Overlap: overlap, Reconcile: func(last time.Time) time.Time { return last.Add(24 * time.Hour) }}
	for _, c := range w.campaigns {
		if !c.out {
			s.Campaigns = append(s.Campaigns, c.configured())
		}
	}
	return s
}

// reconfigure has the process go by the config as it is now. With jobs under way it is reloaded, else perhaps started anew.
func (w *world) reconfigure() {
	if len(w.runs) == 0 && w.chance(0.5) {
		w.restart()
		return
	}
	w.tell("the config is reloaded")
	w.poller.Configure(w.settings())
}

// changeRule gives a campaign another rule of the same kind of record, as an admin does: none that qualifyd may not have forgotten yet.
func (w *world) changeRule() {
	c := pick(w, w.campaigns)
	next := c.rule
	switch c.method {
	case "lead_field_changes":
		next.watched = pick(w, leadFields)
	case "contact_field_changes":
		next.watched = pick(w, contactFields)
	case "lead_converts":
		next.method, next.stage = "lead_converts_to_stage", wonStage
	case "lead_converts_to_stage":
		next.method, next.stage = "lead_converts", ""
	}
	if next.same(c.rule) || c.firstDone.IsZero() && slices.ContainsFunc(c.former, next.same) {
		return
	}
	w.tell("campaign %d has another rule: %s %s", c.id, next.method, next.watched.field)
	w.model.ruleChanges(c)
	c.rule = next
	w.reconfigure()
}

// moveCampaign takes a campaign out of the config, or puts one back.
func (p *people) moveCampaign() {
	w := p.w
	var in, out []*campaign
	for _, c := range w.campaigns {
		if c.out {
			out = append(out, c)
		} else {
			in = append(in, c)
		}
	}
	switch {
	case len(out) > 0 && w.chance(0.7):
		p.putBack(pick(w, out))
	case len(in) > 1:
		c := pick(w, in)
		c.out, c.movedAct = true, w.truth.now()
		w.tell("campaign %d leaves the config", c.id)
	default:
		return
	}
	w.reconfigure()
}

func (p *people) putBack(c *campaign) {
	c.out, c.movedAct, c.since = false, p.w.truth.now(), p.w.now()
	p.w.tell("campaign %d comes back into the config", c.id)
}

// settled tells whether the passes look after a campaign: it has been in the config since before the newest whole one, if it ever was out.
func (c *campaign) settled() bool { return !c.out && (c.movedAct == 0 || c.wholeBefore > c.movedAct) }

// partOf is what a run was to a campaign, nil where that was not in the config all along. Where it left or came back meanwhile, it may have been whole or
// not.
func (r *run) partOf(c *campaign) *run {
	moved := c.movedAct > r.from
	if c.out && !moved {
		return nil
	}
	part := *r
	part.of, part.died = c, part.died || moved
	return &part
}

// blindTo is a run that a campaign was not in the config for: what it has seen of others may be known when that is back.
func (r *run) blindTo(c *campaign) *run {
	part := *r
	part.of, part.died, part.blind = c, true, true
	return &part
}

// rekey makes a new key at Referral Factory, and puts it into the config some time later.
func (p *people) rekey() {
	w := p.w
	if w.key == w.rf.Key() {
		w.rf.RotateKey()
		w.tell("the key of Referral Factory is another now")
		return
	}
	p.takeKey()
}

func (p *people) takeKey() {
	w := p.w
	w.key = w.rf.Key()
	w.tell("the config has the new key of Referral Factory")
	if len(w.runs) == 0 && w.chance(0.5) {
		w.restart()
		return
	}
	if err := w.poller.SetKey(w.account(), w.key); err != nil {
		w.fail(0, err.Error())
	}
}

// account is what leads to Referral Factory.
func (w *world) account() string { return rfHost + " " + w.key }
