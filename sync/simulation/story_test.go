package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/sandbox"
)

// line is a line of the story.
type line struct {
	at   time.Time
	text string
}

// tell takes note of what happened.
func (w *world) tell(format string, args ...any) {
	w.story = append(w.story, line{w.now(), fmt.Sprintf(format, args...)})
}

// values writes fields down in their order.
func values(f sandbox.Fields) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		v := f[name]
		if t, ok := v.(time.Time); ok {
			v = t.Format(time.DateTime)
		}
		out = append(out, fmt.Sprintf("%s=%v", name, v))
	}
	return strings.Join(out, " ")
}

// tellOf takes note of how a run ended.
func (w *world) tellOf(r *run) {
	how := "went well"
	switch {
	case r.died:
		how = "died"
	case r.err != nil:
		how = "failed: " + strings.ReplaceAll(r.err.Error(), lateText, "") // whether it is there depends on which of two timers is first
	}
	w.tell("- %s since %s %s", r.job, r.start.Format(time.TimeOnly), how)
}

const lateText = " (Client.Timeout exceeded while awaiting headers)"

// tellKnown takes note of what qualifyd thinks of the referrals, where that has changed. Torture, which has no time for it, names the seed.
func (w *world) tellKnown() {
	if *torture {
		return
	}
	err := w.store.View(func(tx *store.Tx) error {
		return tx.Referrals(func(r rules.Referral) error {
			var links []string
			for _, l := range r.Links {
				links = append(links, fmt.Sprintf("%s%v", l.RecordID, l.Kinds))
			}
			known := fmt.Sprintf("qualifyd of #%d: %s, %s; linked to %v", r.ID, r.Standing, r.Verdict.Reason, links)
			if w.known[r.ID] != known {
				w.known[r.ID] = known
				w.tell("%s", known)
			}
			return nil
		})
	})
	if err != nil {
		w.fail(0, err.Error())
	}
}

// fail reports what must not be, with the story of the one referral; 0 is for what is about none.
func (w *world) fail(id int64, what string) {
	w.t.Helper()
	w.failed = true
	w.t.Errorf("seed %d: %s\n%s", w.seed, what, w.storyOf(id))
}

// storyOf is what happened to somebody and to the records that may have been theirs, in both services and to qualifyd.
func (w *world) storyOf(id int64) string {
	var names []string
	if r := w.people.refs[id]; r != nil {
		names = append(names, fmt.Sprintf("#%d", id), "code "+r.code, "Code__c="+r.code, fmt.Sprintf("campaign %d:", r.campaign.id))
		for _, one := range w.truth.order {
			for _, v := range one.versions {
				if v.code(r.campaign) == r.code || slices.Contains(r.emails, v.email()) || w.model.mayOwn(r, one) {
					names = append(names, one.id)
					if one.conversion != nil && one.conversion.opportunity != nil {
						names = append(names, one.conversion.opportunity.id)
					}
					break
				}
			}
		}
	}
	var out strings.Builder
	for _, l := range w.story {
		ours := id == 0 || *oneSeed >= 0 || strings.HasPrefix(l.text, "- ") || strings.HasPrefix(l.text, "the process")
		for _, name := range names {
			ours = ours || strings.Contains(l.text, name)
		}
		if ours {
			fmt.Fprintf(&out, "  %s  %s\n", l.at.Format("Jan 02 15:04:05"), l.text)
		}
	}
	if r := w.people.refs[id]; r != nil {
		fmt.Fprintf(&out, "  the model: may %v, must %v (%s), closed %v, unsure %v, blocked %d, may be blocked %v\n", r.may, r.must, r.why, r.closed, r.unsure, len(r.blockers), r.mayBlocked)
		for one := range r.blockers {
			fmt.Fprintf(&out, "  blocked by %s %s, created %s\n", one.object, one.id, one.created().Format(time.DateTime))
		}
	}
	w.storyInStore(&out, id)
	return out.String()
}

// storyInStore is what qualifyd itself knows and has done.
func (w *world) storyInStore(out *strings.Builder, id int64) {
	if id == 0 {
		return
	}
	err := w.store.View(func(tx *store.Tx) error {
		r, found, err := tx.Referral(id)
		if err != nil || !found {
			fmt.Fprintf(out, "  qualifyd does not know it\n")
			return err
		}
		fmt.Fprintf(out, "  qualifyd: %s, %s: %s\n  joined %s, lacked %s, blockers %v\n", r.Standing, r.Verdict.Reason, r.Verdict.Sentence, r.Joined, r.Lacked, r.Blockers)
		for _, l := range r.Links {
			s, _, err := tx.Snapshot(l.RecordID)
			fmt.Fprintf(out, "  link %+v\n  snapshot %+v %v\n", l, s, err)
		}
		return nil
	})
	if err != nil {
		fmt.Fprintln(out, err)
	}
}
