package rules_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"qualifyd/rules"
)

// DESIGN 4, Links: within a campaign a record belongs to one referral.
func TestOwner(t *testing.T) {
	kinds := func(k ...rules.Kind) rules.Kinds { return k }
	for _, c := range []struct {
		name   string
		claims []rules.Claim
		want   string
	}{
		{"nobody claims it", nil, "0 []"},
		{"by code", []rules.Claim{{Referral: 1, Code: true}}, "1 []"},
		{"by e-mail", []rules.Claim{{Referral: 1, Email: true}}, "1 []"},
		{"one has the code, another the e-mail", []rules.Claim{{Referral: 1, Email: true}, {Referral: 2, Code: true}}, "2 []"},

		// A link by code or e-mail moves when the record's code or e-mail becomes another referral's;
		{"its code becomes another's", []rules.Claim{{Referral: 1, Kinds: kinds(rules.ByCode)}, {Referral: 2, Code: true}}, "2 []"},
		{"its e-mail becomes another's", []rules.Claim{{Referral: 1, Kinds: kinds(rules.ByEmail)}, {Referral: 2, Email: true}}, "2 []"},
		{"its code is gone, its e-mail becomes another's", []rules.Claim{{Referral: 1, Kinds: kinds(rules.ByCode)}, {Referral: 2, Email: true}}, "2 []"},
		{"the code becomes another's of what we created", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Created, rules.ByCode)}, {Referral: 2, Code: true}}, "2 []"},
		{"its e-mail becomes nobody's", []rules.Claim{{Referral: 1, Kinds: kinds(rules.ByEmail)}}, "1 []"},

		// where two claim it at once, neither qualifies by it,
		{"two referrals have the e-mail", []rules.Claim{{Referral: 1, Email: true}, {Referral: 2, Email: true}}, "0 [1 2]"},
		{"a second referral has the e-mail of one that is linked", []rules.Claim{{Referral: 1, Kinds: kinds(rules.ByEmail), Email: true}, {Referral: 2, Email: true}}, "0 [1 2]"},
		{"two records merged into one", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Merge)}, {Referral: 2, Kinds: kinds(rules.ByEmail), Email: true}}, "0 [1 2]"},
		{"two records merged into one, a code on it decides", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Merge)}, {Referral: 2, Kinds: kinds(rules.ByEmail), Code: true, Email: true}}, "2 []"},
		{"a merge just now, and the e-mail is one that was never linked", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Merge), Fresh: true}, {Referral: 2, Email: true}}, "0 [1 2]"},
		{"a merge long ago, and the e-mail has become another's since", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Merge)}, {Referral: 2, Email: true}}, "2 []"},
		{"a merge long ago, and the e-mail became another's by a conversion just now", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Merge)}, {Referral: 2, Kinds: kinds(rules.Conversion), Email: true, Fresh: true}}, "0 [1 2]"},
		{"a merge long ago, and nobody has the e-mail", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Merge)}}, "1 []"},
		{"we created it for one, it has another's e-mail", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Created)}, {Referral: 2, Email: true}}, "0 [1 2]"},
		{"we marked it for one, it has another's e-mail", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Marked)}, {Referral: 2, Email: true}}, "0 [1 2]"},
		{"converted from one's Lead, it has another's e-mail", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Conversion)}, {Referral: 2, Email: true}}, "0 [1 2]"},
		{"two were linked by what it shows no more", []rules.Claim{{Referral: 1, Kinds: kinds(rules.ByCode)}, {Referral: 2, Kinds: kinds(rules.ByEmail)}}, "0 [1 2]"},
		{"two links stand on a code that cannot be seen", []rules.Claim{{Referral: 1, Code: true}, {Referral: 2, Code: true}}, "0 [1 2]"},

		// until a pin.
		{"one of two with the e-mail is pinned", []rules.Claim{{Referral: 1, Email: true}, {Referral: 2, Kinds: kinds(rules.Pinned), Email: true}}, "2 []"},
		{"it is pinned, and carries another's code", []rules.Claim{{Referral: 1, Code: true}, {Referral: 2, Kinds: kinds(rules.ByEmail, rules.Pinned)}}, "2 []"},
		{"both are pinned", []rules.Claim{{Referral: 1, Kinds: kinds(rules.Pinned)}, {Referral: 2, Kinds: kinds(rules.Pinned), Code: true}}, "0 [1 2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			owner, disputed := rules.Owner(c.claims)
			if got := fmt.Sprint(owner, disputed); got != c.want {
				t.Errorf("owner and who disputes it: got %s, want %s", got, c.want)
			}
		})
	}
}

// DESIGN 4, Links: do_nothing and create_new hold at every link and merge; a record that existed before links only by a pin. Under
// do_nothing finding one blocks the referral, under create_new it is ignored.
func TestAdmit(t *testing.T) {
	r := rules.Referral{Joined: at("10"), DayEnds: at("11")}
	admission := map[rules.Admission]string{rules.Admitted: "admitted", rules.Ignored: "ignored", rules.Blocks: "blocks"}
	for _, c := range []struct {
		name         string
		object       rules.Object
		created      string
		kinds        rules.Kinds
		byConversion bool
		doNothing    string
		update       string
		createNew    string
	}{
		{"a Lead that is newer", rules.Lead, "10 00:00", rules.Kinds{rules.ByEmail}, false, "admitted", "admitted", "admitted"},
		{"an old Lead by its e-mail", rules.Lead, "09", rules.Kinds{rules.ByEmail}, false, "blocks", "admitted", "ignored"},
		{"an old Lead by its code", rules.Lead, "09", rules.Kinds{rules.ByCode}, false, "blocks", "admitted", "ignored"},
		{"an old Lead by a merge", rules.Lead, "09", rules.Kinds{rules.Merge}, false, "blocks", "admitted", "ignored"},
		{"an old Contact that a Lead was converted into", rules.Contact, "09", rules.Kinds{rules.Conversion}, false, "blocks", "admitted", "ignored"},
		{"a Contact that the conversion made", rules.Contact, "09", rules.Kinds{rules.Conversion}, true, "admitted", "admitted", "admitted"},
		{"an old Lead that a person pinned", rules.Lead, "09", rules.Kinds{rules.ByEmail, rules.Pinned}, false, "admitted", "admitted", "admitted"},
		{"a Lead that we created, whatever its CreatedDate", rules.Lead, "09", rules.Kinds{rules.Created}, false, "admitted", "admitted", "admitted"},
		{"an old Lead that was marked under another policy", rules.Lead, "09", rules.Kinds{rules.Marked}, false, "blocks", "admitted", "ignored"},
		{"an old Opportunity: its age is weighed by the rule", rules.Opportunity, "09", rules.Kinds{rules.Conversion}, false, "admitted", "admitted", "admitted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for policy, want := range map[rules.Duplicates]string{rules.DoNothing: c.doNothing, rules.Update: c.update, rules.CreateNew: c.createNew} {
				campaign := rules.Campaign{Object: rules.Lead, Duplicates: policy}
				rec := rules.Record{Object: c.object, ID: "X", Created: at(c.created)}
				if got := admission[campaign.Admit(r, rec, c.kinds, c.byConversion)]; got != want {
					t.Errorf("under %s: got %s, want %s", policy, got, want)
				}
			}
		})
	}
}

// Once a person has pinned a record, others that existed before block no more; nor do they link.
func TestAdmitBesideAPin(t *testing.T) {
	r := rules.Referral{Joined: at("10"), DayEnds: at("11"), Links: []rules.Link{{Object: rules.Lead, RecordID: "P", Kinds: rules.Kinds{rules.Pinned}}}}
	other := rules.Record{Object: rules.Lead, ID: "X", Created: at("09")}
	if got := (rules.Campaign{Duplicates: rules.DoNothing}).Admit(r, other, rules.Kinds{rules.ByEmail}, false); got != rules.Ignored {
		t.Errorf("another old Lead under do_nothing: got %v, want it ignored", got)
	}
}

// A link is kept once a record, with every reason it ever had, and with the time of the look that made it.
func TestLinksOfAReferral(t *testing.T) {
	var r rules.Referral
	r.SetLink(rules.Link{Object: rules.Lead, RecordID: "A", Kinds: rules.Kinds{rules.ByEmail}, Since: at("10")})
	r.SetLink(rules.Link{Object: rules.Contact, RecordID: "B", Kinds: rules.Kinds{rules.Conversion}, Since: at("11")})
	r.SetLink(rules.Link{Object: rules.Lead, RecordID: "A", Kinds: rules.Kinds{rules.Marked}, Since: at("12"), Ambiguous: true})
	want := []rules.Link{
		{Object: rules.Lead, RecordID: "A", Kinds: rules.Kinds{rules.Marked, rules.ByEmail}, Since: at("10"), Ambiguous: true},
		{Object: rules.Contact, RecordID: "B", Kinds: rules.Kinds{rules.Conversion}, Since: at("11")},
	}
	if diff := cmp.Diff(want, r.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if got, found := r.LinkTo("B"); !found || got.Object != rules.Contact {
		t.Errorf("link to B: got %v, %v, want the Contact's", got, found)
	}
	if got, found := r.LinkTo("C"); found {
		t.Errorf("link to C: got %v, want none", got)
	}
	if !r.Unlink("A") || r.Unlink("A") || len(r.Links) != 1 || r.Links[0].RecordID != "B" {
		t.Errorf("unlinking A twice: got %v, want only the link to B, and true once", r.Links)
	}
}

func TestKinds(t *testing.T) {
	k := rules.Kinds{rules.ByCode}
	with := k.With(rules.Pinned).With(rules.ByCode)
	if diff := cmp.Diff(rules.Kinds{rules.ByCode, rules.Pinned}, with); diff != "" {
		t.Errorf("with a pin (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rules.Kinds{rules.Pinned}, with.Without(rules.ByCode, rules.ByEmail)); diff != "" {
		t.Errorf("without code and e-mail (-want +got):\n%s", diff)
	}
	if len(k) != 1 || !with.Has(rules.Merge, rules.Pinned) || with.Has(rules.Merge) {
		t.Errorf("got %v from %v, want the old set untouched and Has to find any of several", with, k)
	}
}
