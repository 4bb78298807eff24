package rules

// Candidate is a record that a look-up for a new referral found.
type Candidate struct {
	Record
	CodeMatches  bool // it carries the referral's code
	EmailMatches bool // it has the referral's e-mail
	OthersCode   bool // it carries the code of another referral of the campaign
	OthersPin    bool // a person has pinned it to another referral of the campaign
	// MadeByConversion is set for a Contact that one of the Leads found was converted into when it was made.
	MadeByConversion bool
}

// Arrival is what to do in Salesforce, and which records are a referral's, when it joins.
type Arrival struct {
	Link     []Candidate
	Blockers []Blocker  // do_nothing: nothing else is done then
	Mark     *Candidate // update: this existing record is marked as the referral's
	Create   bool       // a record of the campaign's object is made
}

// Join applies when_lead_joins and duplicates to a new referral. mayWrite is false for a referral that the campaign's first complete
// sweep already showed: such a one is linked, never created or marked.
func (c Campaign) Join(r Referral, found []Candidate, mayWrite bool) Arrival {
	var a Arrival
	onObject := false
	for i, f := range found {
		if f.Deleted {
			continue
		}
		old := r.ExistedBefore(f.Created) && f.Object != Opportunity
		link, _ := r.LinkTo(f.ID)
		unpinned := old && !link.Kinds.Has(Pinned)
		if unpinned && c.Duplicates == DoNothing && !f.MadeByConversion && (f.EmailMatches || f.CodeMatches) {
			if !r.Pinned() {
				a.Blockers = append(a.Blockers, Blocker{f.Object, f.ID, f.Created})
			}
			continue
		}
		if !c.claims(f) || unpinned && c.Duplicates == CreateNew {
			continue
		}
		a.Link = append(a.Link, f)
		if f.Object != c.Object {
			continue
		}
		onObject = true
		if old && c.Duplicates == Update && !f.Converted() && (a.Mark == nil || f.Modified.After(a.Mark.Modified)) {
			a.Mark = &found[i]
		}
	}
	if len(a.Blockers) > 0 {
		return Arrival{Blockers: a.Blockers}
	}
	if !mayWrite || !c.Creates() {
		a.Mark = nil
		return a
	}
	a.Create = !onObject
	return a
}

// claims tells whether a candidate is the referral's by its code or its e-mail.
func (c Campaign) claims(f Candidate) bool {
	if f.OthersPin {
		return false
	}
	return f.CodeMatches || f.EmailMatches && f.Object == c.Object && !f.OthersCode
}
