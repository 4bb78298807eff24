package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"qualifyd/rules"
)

// checkReferrals looks at what the store knows of the referrals: who is blocked, who has no record, who waits, and whose codes stand in
// Salesforce.
func (c *checkup) checkReferrals(context.Context) {
	if c.file != nil {
		for _, one := range c.Campaigns {
			n := c.file.tallies[one.ID]
			c.checkDuplicates(one, n)
			c.checkStrays(one, n)
			c.checkWaiting(one, n)
		}
	}
	c.checkCodes()
}

// checkDuplicates tells whom the duplicate policy keeps from qualifying, and what the other two would do.
func (c *checkup) checkDuplicates(one rules.Campaign, n *cases) {
	check, title := fmt.Sprintf("campaign.%d.duplicates", one.ID), fmt.Sprintf("Campaign %d, duplicates: %s", one.ID, one.Duplicates)
	pending := count(n.pending, "pending referral")
	details := map[string]any{"pending": n.pending, "blocked": n.blocked}
	f := Finding{Group: Duplicates, Check: check, Colour: Green, Title: title, Details: details}
	switch {
	case n.blocked > 0:
		details["update_would_link"], details["create_new_would_ignore"] = n.onObject, n.blocked
		f.Colour, f.Text = Yellow,
			fmt.Sprintf("%d of %s are blocked (existing_record): their Lead or Contact existed before. %s", n.blocked, pending, otherPolicies(one, n))
		f.Do = "nothing, if known customers should not qualify; else change duplicates of the campaign, or lift it for one with qualifyd referrals rejudge or pin"
	case one.Duplicates == rules.CreateNew:
		f.Text = fmt.Sprintf("nobody is blocked: of %s, records that existed before are ignored (and not kept, so what the other policies would do is not known)", pending)
	case n.older > 0:
		details["do_nothing_would_block"], details["create_new_would_ignore"] = n.older, n.older
		f.Text = fmt.Sprintf("nobody is blocked; %d of %s have a record that existed before. do_nothing would block these, and create_new would ignore those records", n.older, pending)
	default:
		f.Text = fmt.Sprintf("nobody is blocked, of %s", pending)
	}
	c.add(f)
}

// otherPolicies tells what update and create_new would do for those whom do_nothing blocks. Where a campaign creates records it does so for newcomers only.
func otherPolicies(one rules.Campaign, n *cases) string {
	made, newer := n.newcomers-n.newcomersOnObject, n.newcomers
	if !one.Creates() {
		made, newer = 0, 0
	}
	text := fmt.Sprintf("With update, %d of them could qualify by a change of that %s from now on", n.onObject, one.Object)
	if made > 0 {
		text += fmt.Sprintf(", and for %d a %s would be created", made, one.Object)
	}
	if rest := n.blocked - n.onObject - made; rest > 0 {
		text += fmt.Sprintf(", and %d would wait for a %s", rest, one.Object)
	}
	switch {
	case newer == n.blocked:
		return text + fmt.Sprintf("; with create_new, all %d would get a new %s, and only that one could qualify them.", n.blocked, one.Object)
	case newer > 0:
		return text + fmt.Sprintf("; with create_new, %d would get a new %s and %d, who were there from the start, would wait for a newer one, "+
			"and only that one could qualify them.", newer, one.Object, n.blocked-newer)
	}
	return text + fmt.Sprintf("; with create_new, all %d would wait for a newer %s, and only that one could qualify them.", n.blocked, one.Object)
}

// strayFor is how long a referral may be without a record before that looks like a fault: sales needs some time.
const strayFor = 24 * time.Hour

// checkStrays tells how many referrals no record was found for.
func (c *checkup) checkStrays(one rules.Campaign, n *cases) {
	check, title := fmt.Sprintf("campaign.%d.no_record", one.ID), fmt.Sprintf("Campaign %d, referrals without a record", one.ID)
	if n.strays == 0 {
		c.green(Captured, check, title, fmt.Sprintf("none, of %s", count(n.pending, "pending referral")))
		return
	}
	text := fmt.Sprintf("%d of %s (%d%%), the oldest since %s", n.strays, count(n.pending, "pending referral"), 100*n.strays/n.pending, day(n.oldest))
	details := map[string]any{"without_record": n.strays, "pending": n.pending, "oldest": n.oldest}
	f := Finding{Group: Captured, Check: check, Colour: Green, Title: title, Text: text, Details: details}
	if 2*n.strays >= n.pending && c.Now().Sub(n.oldest) > strayFor {
		f.Colour = Yellow
		f.Do = fmt.Sprintf("enter %ss with the referral's e-mail address", one.Object)
		if one.CodeField != "" {
			f.Do += fmt.Sprintf(" or its code in %s", one.CodeField)
		}
		f.Do += "; qualifyd explain tells of each what was looked for"
	}
	c.add(f)
}

// wayOut is what leads out of being held, by reason.
var wayOut = map[rules.Reason]string{
	rules.HeldByBrake:    "look whether so many at once is right, then let them go: qualifyd release %d",
	rules.ValueRewritten: "look at the record: if the person did reach the value, qualifyd qualify REFERRAL --reason TEXT (campaign %d)",
	rules.InSandbox:      "nothing: they qualify for real once the live org is connected (campaign %d)",
}

// checkWaiting tells who waits for a person.
func (c *checkup) checkWaiting(one rules.Campaign, n *cases) {
	waiting := func(check, what string, list []rules.Referral, text, do string) {
		if len(list) > 0 {
			c.add(Finding{Group: Captured, Check: fmt.Sprintf("campaign.%d.%s", one.ID, check), Colour: Yellow, Title: fmt.Sprintf("Campaign %d, %s", one.ID, what),
				Text: fmt.Sprintf("%s (%s)%s", count(len(list), "referral"), ids(list), text), Do: do, Details: map[string]any{"referrals": len(list)}})
		}
	}
	waiting("join_refused", "refused by Salesforce", n.refused, ": "+some(refusals(n.refused)),
		"mend what Salesforce names; it is tried again with poll.reconcile, or at once after qualifyd referrals rejudge REFERRAL")
	waiting("ambiguous", "ambiguous", n.ambiguous, " share a record with another referral, and nothing decides whose it is",
		"say whose it is: qualifyd referrals pin REFERRAL RECORD")
	waiting("rejected", "rejected by Referral Factory", n.rejected, ": Referral Factory takes their qualification for an error",
		"qualifyd explain REFERRAL tells its words")
	for _, reason := range slices.Sorted(maps.Keys(n.held)) {
		do := wayOut[reason]
		if do == "" {
			do = "qualifyd explain REFERRAL tells what for (campaign %d)"
		}
		waiting(string(reason), string(reason), n.held[reason], " would qualify and are held", fmt.Sprintf(do, one.ID))
	}
}

func ids(list []rules.Referral) string {
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprint(r.ID))
	}
	return some(out)
}

// refusals are Salesforce's words, each once.
func refusals(list []rules.Referral) []string {
	var words []string
	for _, r := range list {
		if !slices.Contains(words, r.Refused) {
			words = append(words, r.Refused)
		}
	}
	return words
}
