package poll

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/logged"
	"qualifyd/sync/salesforce"
)

const (
	describeFor = 24 * time.Hour // a describe is asked anew after a day
	// parkedFor is how soon it is asked anew while something that the campaigns need is waited for: a field, a value or an object.
	parkedFor = 10 * time.Minute
)

// described is an object's describe as the store keeps it.
type described struct {
	salesforce.Describe
	At   time.Time
	Asks string   // hash of the campaigns, and of the names the config used, when it was asked
	Gone bool     // the org has no such object, or shows us none
	Lost []string `json:",omitempty"` // what the campaigns need, was there once, and is not
}

// olderThan tells whether a describe has grown old by an instant. One from far in the future was told a wrong time: how old it is nobody knows.
func (d described) olderThan(limit time.Duration, now time.Time) bool {
	return now.Sub(d.At) >= limit || d.At.After(now.Add(clockSlack))
}

// describes are what is known of the org's objects.
type describes map[rules.Object]described

// objects are those that are described: both that a person can be known as and, where a rule follows conversions, Opportunities.
func (t *pass) objects() []rules.Object {
	objects := []rules.Object{rules.Lead, rules.Contact}
	if t.anyCampaign(rules.Campaign.NeedsConversion) {
		objects = append(objects, rules.Opportunity)
	}
	return objects
}

func (t *pass) anyCampaign(is func(rules.Campaign) bool) bool {
	return slices.ContainsFunc(t.Campaigns, is)
}

// asks changes when the config has other campaigns, names another field or value, or has another policy for records that existed before: those that were
// ignored may be the referrals' now.
func (t *pass) asks() string {
	h := sha256.New()
	for _, c := range t.Campaigns {
		fmt.Fprintf(h, "%d\x00%s\x00%s\x00%s\x00%s\x00%s\n", c.ID, c.Method, c.Field, c.Value, c.CodeField, c.Duplicates)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// readRules takes each object's describe from the store, or asks for it where the config names something new, and works out the rules.
func (t *pass) readRules(ctx context.Context) error {
	t.described = describes{}
	for _, object := range t.objects() {
		d, found, err := t.keptDescribe(object)
		if err != nil {
			return err
		}
		if found {
			t.described[object] = d
		}
		if !found || d.Asks != t.asks() {
			if err := t.describe(ctx, object); err != nil {
				return err
			}
		}
	}
	return t.resolveRules()
}

// keptDescribe is what the store keeps of an object's describe. It is read once: decoding all of an org's fields is most of what an idle pass
// would do.
func (t *pass) keptDescribe(object rules.Object) (d described, found bool, err error) {
	if d, found = t.kept[object]; found {
		return d, true, nil
	}
	err = t.view(func(tx *store.Tx) (err error) { found, err = tx.Describe(string(object), &d); return err })
	if err == nil && found {
		t.kept[object] = d
	}
	return d, found, err
}

// describe asks for one object's describe and keeps it. When a field that the campaigns need came back into sight, the object's linked
// records are read anew. With other campaigns in the config everybody is looked at: nobody followed those of one that comes back while it was away.
func (t *pass) describe(ctx context.Context, object rules.Object) error {
	d, answer, err := t.Salesforce.Describe(ctx, string(object))
	t.heard(answer)
	gone := salesforce.KindOf(err) == salesforce.ObjectGone
	if err != nil && !gone {
		return t.problem(ctx, fmt.Errorf("describe %s: %w", object, err))
	}
	if gone {
		t.problems = append(t.problems, fmt.Errorf("describe %s: %w", object, err))
	} else if hidden := missing(described{Describe: d}, ownColumns[object]); len(hidden) > 0 {
		t.Log.Warn().Str(logged.Object, string(object)).Strs(logged.Fields, hidden).
			Msg("the Salesforce user may not read fields that links and conversions are recognised by; check the field-level security")
	}
	before, known := t.described[object]
	now := described{Describe: d, At: t.now, Asks: t.asks(), Gone: gone}
	now.Lost = slices.DeleteFunc(missing(now, t.wanted(object)), before.never)
	t.described[object] = now
	cameBack := known && t.cameBack(object, before, now)
	err = t.update(func(tx *store.Tx) error {
		if cameBack {
			if err := markLinkedRecords(tx, object); err != nil {
				return err
			}
		}
		if cameBack || known && before.Asks != now.Asks {
			if err := reconcileSoon(tx); err != nil {
				return err
			}
		}
		if before.Gone && !gone { // its history was out of sight with it
			delete(t.gone, historyOf(object))
			if err := tx.PutDescribe(historyOf(object), described{At: t.now}); err != nil {
				return err
			}
		}
		return tx.PutDescribe(string(object), now)
	})
	if err == nil {
		t.kept[object] = now
	}
	return err
}

// cameBack tells whether a describe has something that the campaigns need and the one before it did not have, whatever else is gone.
func (t *pass) cameBack(object rules.Object, before, now described) bool {
	return slices.ContainsFunc(missing(before, t.wanted(object)), func(name string) bool { _, ok := now.Field(name); return ok })
}

// never tells whether a name was in no describe up to this one.
func (d described) never(name string) bool {
	_, there := d.Field(name)
	return !there && !slices.Contains(d.Lost, name)
}

// missing are the names that a describe does not have.
func missing(d described, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := d.Field(name); return ok })
}

// refreshRules asks for describes that have grown old, now that the time is known, and works out the rules again. A pass that shows nothing, for want of
// any object that it may read, has asked for nothing that would tell the time.
func (t *pass) refreshRules(ctx context.Context) error {
	now := t.now
	if now.IsZero() {
		now, _ = t.Salesforce.Now()
	}
	refreshed, aged := false, false
	for _, object := range t.objects() {
		limit := describeFor
		if t.parkedOn(object) {
			limit = parkedFor
		}
		d, known := t.described[object]
		if now.IsZero() && known { // no answer has told the time yet, not even the login's: one has to where nothing else is asked for
			if len(t.deltas) > 0 || limit == describeFor {
				continue
			}
		} else if known && !d.olderThan(limit, now) {
			continue
		}
		refreshed, aged = true, aged || known && d.olderThan(describeFor, now)
		if err := t.describe(ctx, object); err != nil {
			return err
		}
	}
	if !refreshed {
		return nil
	}
	if aged {
		if err := t.problem(ctx, t.readOrganization(ctx)); err != nil {
			return err
		}
	}
	return t.resolveRules()
}

// parkedOn tells whether something of an object that the campaigns need is waited for: what was there once, and what a campaign cannot do without.
// Opportunities are described only where one follows conversions, and without them no conversion counts.
func (t *pass) parkedOn(object rules.Object) bool {
	d := t.described[object]
	if len(d.Lost) > 0 || object == rules.Opportunity && d.Gone {
		return true
	}
	for _, rule := range t.rules {
		on, _ := rule.WatchedField()
		unrecognised := rule.CodeField != "" && rule.Object == object && t.codeField(rule.Campaign, object) == ""
		conversions := object == rules.Lead && rule.NeedsConversion() && len(missing(d, conversionFields)) > 0
		if rule.Parked != "" && on == object || conversions || rule.Blind && object != rules.Opportunity || unrecognised {
			return true
		}
	}
	return false
}

// resolveRules works out every campaign's rule from its config, the describes, and what is remembered of the campaign.
func (t *pass) resolveRules() error {
	t.rules, t.codeless = map[int64]rules.Rule{}, map[int64]bool{}
	return t.update(func(tx *store.Tx) error {
		for _, c := range t.Campaigns {
			known, err := tx.Campaign(c.ID)
			if err != nil {
				return err
			}
			if err := t.noteCodes(tx, c, &known); err != nil {
				return err
			}
			rule := t.described.rule(c, known)
			t.rules[c.ID] = rule
			if err := t.notePark(tx, known, rule); err != nil {
				return err
			}
		}
		return nil
	})
}

// noteCodes remembers that the codes on a campaign's object can be read, and says when they could and cannot any more, or never could.
func (t *pass) noteCodes(tx *store.Tx, c rules.Campaign, known *store.Campaign) error {
	d, described := t.described[c.Object]
	if c.CodeField == "" || !described || d.Gone {
		return nil
	}
	f, readable := d.Field(c.CodeField)
	name := string(c.Object) + "." + c.CodeField
	if readable {
		name = string(c.Object) + "." + f.Name
	}
	seen := slices.ContainsFunc(known.CodeFields, func(seen string) bool { return strings.EqualFold(seen, name) })
	t.codeless[c.ID] = seen && !readable
	if readable && !seen {
		known.CodeFields = append(known.CodeFields, name)
	} else if readable != known.CodesHidden {
		return nil
	}
	log := t.Log.With().Int64(logged.Campaign, c.ID).Strs(logged.Fields, []string{name}).Logger()
	switch {
	case !readable && seen:
		log.Warn().Msg("the Salesforce user may not read the referral codes any more; until it may, no record is newly linked by its e-mail, for it may have another's code")
	case !readable:
		log.Warn().Msg("there is no such field that the Salesforce user may read; until there is, records are found by their e-mail only, whoever's code they have")
	case known.CodesHidden:
		log.Info().Msg("the referral codes can be read")
	}
	known.CodesHidden = !readable
	return tx.PutCampaign(*known)
}

// notePark remembers, says and has judged anew what changed about a campaign being parked.
func (t *pass) notePark(tx *store.Tx, known store.Campaign, rule rules.Rule) error {
	if known.Parked == string(rule.Parked) && known.ParkedWhy == rule.ParkedWhy {
		return nil
	}
	if rule.Parked != "" {
		t.Log.Error().Int64(logged.Campaign, rule.ID).Str(logged.Reason, string(rule.Parked)).Str(logged.Why, rule.ParkedWhy).Msg("campaign is parked")
	} else {
		t.Log.Info().Int64(logged.Campaign, rule.ID).Msg("campaign is not parked any more")
	}
	known.Parked, known.ParkedWhy = string(rule.Parked), rule.ParkedWhy
	if err := tx.PutCampaign(known); err != nil {
		return err
	}
	_, err := markPending(tx, rule.ID)
	return err
}

// markPending has all pending referrals of a campaign judged, and lists them.
func markPending(tx *store.Tx, campaign int64) (ids []int64, err error) {
	err = tx.Outlines(func(o store.Outline) error {
		if o.CampaignID == campaign && o.Standing == rules.Pending {
			ids = append(ids, o.ID)
		}
		return nil
	})
	for _, id := range ids {
		if err == nil {
			err = tx.Judge(id)
		}
	}
	return ids, err
}

// rule is a campaign's rule, in view of what is remembered of the campaign.
func (ds describes) rule(c rules.Campaign, known store.Campaign) rules.Rule {
	rule := ds.resolve(c)
	if known.Fingerprint == c.Fingerprint() {
		rule.Effective = known.Effective // a new or changed rule's is decided once the time is known
	}
	return rule
}

// resolve finds the rule's field and value in the describe, and whether everything can be read that the campaign's referrals are recognised by.
func (ds describes) resolve(c rules.Campaign) rules.Rule {
	rule := rules.Rule{Campaign: c}
	rule.ParkedWhy, rule.Blind = ds.blindness(c)
	if rule.ParkedWhy == "" {
		rule.ParkedWhy = ds.conversionHidden(c)
	}
	if rule.ParkedWhy != "" {
		rule.Parked = rules.FieldUnreadable
	}
	object, name := c.WatchedField()
	if name == "" {
		return rule
	}
	rule.Target = rules.Target{Field: name, Value: c.Value}
	d, known := ds[object]
	if !known {
		return rule // describe failed in this pass; its queries do too
	}
	if d.Gone && rule.Parked != "" {
		return rule // which says what may not be read; the field has nothing to do with it
	}
	f, ok := d.Field(name)
	if !ok {
		rule.Parked = rules.FieldUnreadable
		rule.ParkedWhy = fmt.Sprintf("%s has no field %s that the Salesforce user may read%s; check its spelling and the field-level security",
			object, name, didYouMean(rules.Near(names(d), name)))
		return rule
	}
	rule.Target = rules.Target{Field: f.Name, Type: rules.Type(f.Type), Calculated: f.Calculated}
	value, label, near, ok := rules.Resolve(rule.Target.Type, choices(f), c.Value)
	if !ok {
		rule.Parked = rules.ValueUnknown
		rule.ParkedWhy = fmt.Sprintf("%s.%s (%s) has no value %q%s", object, f.Name, f.Type, c.Value, didYouMean(near))
	}
	rule.Target.Value, rule.Target.Label = value, label
	return rule
}

// blindness tells what of the things cannot be read that a campaign's referrals are recognised by: the e-mail on its object, and under
// do_nothing on Leads and Contacts both, where existing customers are looked for. Where describe merely failed in this pass, why is "".
func (ds describes) blindness(c rules.Campaign) (why string, blind bool) {
	for _, object := range []rules.Object{rules.Lead, rules.Contact} {
		if object != c.Object && c.Duplicates != rules.DoNothing {
			continue
		}
		d, known := ds[object]
		if _, ok := d.Field("Email"); !ok {
			blind = true
			if known {
				why = fmt.Sprintf("the Salesforce user may not read %s.Email, by which referrals and existing customers are recognised; give it access", object)
			}
		}
	}
	return why, blind
}

// conversionFields say whether a Lead is converted with an Opportunity.
var conversionFields = []string{rules.IsConverted, "ConvertedOpportunityId"}

// conversionHidden tells what cannot be read of that which says whether a Lead is converted with an Opportunity; "" where nothing, or where no rule asks.
func (ds describes) conversionHidden(c rules.Campaign) string {
	if !c.NeedsConversion() {
		return ""
	}
	if ds[rules.Opportunity].Gone {
		return "the Salesforce user may not read Opportunities, and only a Lead that is converted with one counts; give it access"
	}
	d, known := ds[rules.Lead]
	if !known || d.Gone {
		return ""
	}
	hidden := missing(d, conversionFields)
	if len(hidden) == 0 {
		return ""
	}
	return fmt.Sprintf("the Salesforce user may not read Lead.%s, which tells whether a Lead is converted with an Opportunity; give it access", hidden[0])
}

func choices(f salesforce.Field) []rules.Choice {
	var out []rules.Choice
	for _, v := range f.Values {
		out = append(out, rules.Choice{Value: v.Value, Label: v.Label, Active: v.Active})
	}
	return out
}

func names(d described) []string {
	var out []string
	for _, f := range d.Fields {
		out = append(out, f.Name)
	}
	return out
}

func didYouMean(near []string) string {
	if len(near) == 0 {
		return ""
	}
	if len(near) > 5 {
		near = near[:5]
	}
	return "; did you mean " + strings.Join(near, ", ") + "?"
}
