package rules

import (
	"slices"
	"time"
)

// Kind is why a record is a referral's.
type Kind string

// The kinds of link.
const (
	Pinned     Kind = "pinned"     // by a person
	Created    Kind = "created"    // by us, for the referral
	Marked     Kind = "marked"     // an existing record that we marked as the referral's
	ByCode     Kind = "code"       // it carries the referral's code
	ByEmail    Kind = "email"      // it has the referral's e-mail
	Conversion Kind = "conversion" // a linked Lead was converted into it
	Merge      Kind = "merge"      // a linked record was merged into it
)

// Kinds is a set of kinds in the order in which they came.
type Kinds []Kind

// Has tells whether the set holds any of the kinds.
func (k Kinds) Has(kinds ...Kind) bool {
	return slices.ContainsFunc(kinds, func(kind Kind) bool { return slices.Contains(k, kind) })
}

// With is the set with one kind more.
func (k Kinds) With(kind Kind) Kinds {
	if k.Has(kind) {
		return k
	}
	return append(slices.Clone(k), kind)
}

// Without is the set without some kinds.
func (k Kinds) Without(kinds ...Kind) Kinds {
	return slices.DeleteFunc(slices.Clone(k), func(kind Kind) bool { return slices.Contains(kinds, kind) })
}

// Link ties a record to a referral.
type Link struct {
	Object   Object
	RecordID string
	Kinds    Kinds
	// Since is the service time of the first look at the record as the referral's; zero where it could not be seen yet. What two looks saw before
	// it happened to somebody else's record.
	Since time.Time
	// Ambiguous is set while another referral of the campaign claims the record as well; then neither qualifies by it.
	Ambiguous bool
}

// Claim is one referral's claim to a record, within one campaign.
type Claim struct {
	Referral int64
	Kinds    Kinds // why the record has been the referral's so far, without code and e-mail unless they are claimed by the record no more
	Code     bool  // the record carries the referral's code now
	Email    bool  // the record has the referral's e-mail now
	Fresh    bool  // this very look makes the claim: by a merge, a conversion
}

// becameTheirs tells whether the record's e-mail is the referral's now and was not, as far as its link knows.
func (c Claim) becameTheirs() bool { return c.Email && !c.Fresh && !c.Kinds.Has(ByEmail) }

// Owner settles who of a campaign has a record. A pin decides, then the code on the record. Without either, everybody who has it by e-mail,
// or has had it so far, claims it. A link that rests on a former code or e-mail gives way when the e-mail is another referral's now; one that
// came by an earlier merge, when the e-mail has become another's since. Where more than one claim is left, nobody has the record: owner is 0
// and disputed lists the claimants.
func Owner(claims []Claim) (owner int64, disputed []int64) {
	byEmail := slices.ContainsFunc(claims, func(c Claim) bool { return c.Email })
	moved := slices.ContainsFunc(claims, Claim.becameTheirs)
	for _, strong := range []func(Claim) bool{
		func(c Claim) bool { return c.Kinds.Has(Pinned) },
		func(c Claim) bool { return c.Code },
		func(c Claim) bool {
			return c.Email || c.Kinds.Has(Created, Marked, Conversion) || c.Kinds.Has(Merge) && (c.Fresh || !moved) || !byEmail && len(c.Kinds) > 0
		},
	} {
		var left []int64
		for _, c := range claims {
			if strong(c) {
				left = append(left, c.Referral)
			}
		}
		switch len(left) {
		case 0:
			continue
		case 1:
			return left[0], nil
		}
		return 0, left
	}
	return 0, nil
}

// Admission says whether a record may be linked to a referral under the campaign's duplicate policy.
type Admission int

// The admissions.
const (
	Admitted Admission = iota
	Ignored            // create_new: older records are somebody else's business
	Blocks             // do_nothing: the person was known before, and the referral cannot qualify
)

// Admit applies the duplicate policy to one record at the moment of its linking (a merge included). Opportunities are never
// duplicates: their age is weighed by the rule. Once a person has pinned a record, others that existed before block no more. madeByConversion is
// set for a Contact that a linked Lead's conversion created.
func (c Campaign) Admit(r Referral, rec Record, kinds Kinds, madeByConversion bool) Admission {
	if kinds.Has(Pinned, Created) || rec.Object == Opportunity || c.Duplicates == Update || madeByConversion {
		return Admitted
	}
	if !r.ExistedBefore(rec.Created) {
		return Admitted
	}
	if c.Duplicates == CreateNew || r.Pinned() {
		return Ignored
	}
	return Blocks
}
