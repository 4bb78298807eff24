package sandbox

import "testing"

// FuzzSOQL: no query may break the org, whatever it says.
func FuzzSOQL(f *testing.F) {
	o := NewOrg(nil)
	o.Create("Lead", Fields{"LastName": "Ann", "Company": "Acme", "AnnualRevenue": 5, "City": "Oslo"})
	for _, seed := range []string{
		"SELECT Id, Owner.Name FROM Lead l WHERE (NOT l.LastName LIKE 'a\\_%') AND CreatedDate >= LAST_N_DAYS:3 ORDER BY Address NULLS LAST LIMIT 1 OFFSET 0",
		"SELECT COUNT(Id) FROM Lead WHERE AnnualRevenue IN (1, 2.5, null) OR Address = 'x' OR IsDeleted != TRUE",
		"SELECT Id FROM Lead WHERE CreatedDate = 2026-01-01T00:00:00+01:00 AND ConvertedDate < 2026-01-01", "SELECT", "'", "\\", "SELECT Id FROM Lead WHERE Id='",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := o.parse(text)
		if err != nil {
			if err.code == "" || err.status != 400 {
				t.Errorf("%q: got %d %q, want a 400 with a code", text, err.status, err.code)
			}
			return
		}
		for _, id := range o.run(q, true) {
			if q.list != nil {
				encodeJSON(o.show(q.list, q.object.rows[id], newest))
			}
		}
	})
}
