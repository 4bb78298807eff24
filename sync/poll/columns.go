package poll

import (
	"slices"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
)

// Columns that every object has, whatever the field-level security, and that describe need not be asked about.
var systemColumns = []string{"Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp"}

// Columns that an object's own rules need, where they are readable.
var ownColumns = map[rules.Object][]string{
	rules.Lead:        {"Email", "MasterRecordId", rules.IsConverted, "ConvertedDate", "ConvertedContactId", "ConvertedOpportunityId"},
	rules.Contact:     {"Email", "MasterRecordId"},
	rules.Opportunity: {rules.StageName},
}

// watched are the fields of an object whose values are compared.
func (t *pass) watched(object rules.Object) []string {
	var fields []string
	if object == rules.Lead {
		fields = append(fields, rules.IsConverted)
	}
	for _, rule := range t.rules {
		if on, field := rule.WatchedField(); on == object && field != "" {
			fields = append(fields, rule.Target.Field)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// codeFields are the fields of an object that carry referral codes.
func (t *pass) codeFields(object rules.Object) []string {
	var fields []string
	for _, c := range t.Campaigns {
		if f, ok := t.described[object].Field(c.CodeField); ok && c.CodeField != "" {
			fields = append(fields, f.Name)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// codeField is the field of an object that carries a campaign's codes; "" where it has none.
func (t *pass) codeField(c rules.Campaign, object rules.Object) string {
	if f, ok := t.described[object].Field(c.CodeField); ok && c.CodeField != "" {
		return f.Name
	}
	return ""
}

// wanted are the columns of an object that the campaigns need, readable or not.
func (t *pass) wanted(object rules.Object) []string {
	wanted := slices.Clone(ownColumns[object])
	for _, c := range t.Campaigns {
		if on, field := c.WatchedField(); on == object && field != "" {
			wanted = append(wanted, field)
		}
		if c.CodeField != "" {
			wanted = append(wanted, c.CodeField)
		}
	}
	return wanted
}

// columns are what is selected of an object: the system's columns and of the wanted ones those that can be read.
func (t *pass) columns(object rules.Object) []string {
	columns := slices.Clone(systemColumns)
	for _, name := range t.wanted(object) {
		if f, ok := t.described[object].Field(name); ok && !slices.Contains(columns, f.Name) {
			columns = append(columns, f.Name)
		}
	}
	return columns
}

// schemaOf is the types of an object's watched fields.
func (t *pass) schemaOf(object rules.Object, watched []string) rules.Schema {
	s := rules.Schema{Types: map[string]rules.Type{}, Formulas: map[string]bool{}}
	for _, name := range watched {
		f, _ := t.described[object].Field(name)
		s.Types[name], s.Formulas[name] = rules.Type(f.Type), f.Calculated
	}
	return s
}

// typesOf is those of an object's watched fields.
func (t *pass) typesOf(object rules.Object) map[string]rules.Type {
	return t.schemaOf(object, t.watched(object)).Types
}

// seen is a row as the rules want it, with what links it to referrals.
type seen struct {
	rules.Record
	email string            // folded
	codes map[string]string // code field -> code, for the fields that the row has
	// emailHidden is set when the row has no Email column.
	emailHidden bool
	hidden      []string     // columns of the object's own that it lacks
	schema      rules.Schema // of its watched fields
}

// keepHidden has the row say what was last seen in the columns that it lacks: missing is not null.
func (s *seen) keepHidden(before rules.Record) {
	for _, name := range s.hidden {
		switch name {
		case "ConvertedDate":
			s.ConvertedOn = before.ConvertedOn
		case "ConvertedContactId":
			s.ContactID = before.ContactID
		case "ConvertedOpportunityId":
			s.OpportunityID = before.OpportunityID
		}
	}
}

// reader reads the rows of an object.
type reader struct {
	object         rules.Object
	watched, codes []string
	schema         rules.Schema
}

func (t *pass) reader(object rules.Object) reader {
	watched := t.watched(object)
	return reader{object, watched, t.codeFields(object), t.schemaOf(object, watched)}
}

// record reads a row. since is how new what the row shows is at least.
func (r reader) record(row salesforce.Row, since time.Time) seen {
	s := seen{Record: rules.Record{
		Object: r.object, ID: recordID(row), SeenAt: since,
		Created: instant(row.Text("CreatedDate")), Modified: instant(row.Text("LastModifiedDate")), Modstamp: instant(row.Text("SystemModstamp")),
		Deleted: row.Text("IsDeleted") == "true", MasterID: rules.ID18(row.Text("MasterRecordId")),
		ConvertedOn: row.Text("ConvertedDate"), ContactID: rules.ID18(row.Text("ConvertedContactId")), OpportunityID: rules.ID18(row.Text("ConvertedOpportunityId")),
		Fields: map[string]string{},
	}, codes: map[string]string{}, schema: r.schema}
	if s.Modstamp.After(since.Add(clockSlack)) { // the answer told a wrong time: what it shows is at least as new as the stamp
		s.SeenAt = s.Modstamp
	}
	for _, name := range r.watched {
		if text, ok := row.Lookup(name); ok {
			s.Fields[name] = text
		}
	}
	for _, name := range r.codes {
		if code, ok := row.Lookup(name); ok {
			s.codes[name] = code
		}
	}
	for _, name := range ownColumns[r.object] {
		if _, ok := row.Lookup(name); !ok {
			s.hidden = append(s.hidden, name)
		}
	}
	email, ok := row.Lookup("Email")
	s.email, s.emailHidden = rules.FoldEmail(email), !ok
	return s
}

// concerns tells whether a row has to do with any referral: the record is linked, or carries somebody's code or e-mail. In most answers few rows do.
func (r reader) concerns(tx *store.Tx, row salesforce.Row) bool {
	if tx.Linked(recordID(row)) || len(tx.ReferralsByEmail(row.Text("Email"))) > 0 {
		return true
	}
	return slices.ContainsFunc(r.codes, func(field string) bool { return tx.ReferralByCode(row.Text(field)) != 0 })
}

func recordID(row salesforce.Row) string { return rules.ID18(row.Text("Id")) }

// instant reads a stamp; the zero time where there is none, or none that can be read.
func instant(text string) time.Time {
	t, err := rules.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	return t
}
