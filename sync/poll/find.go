package poll

import (
	"context"
	"fmt"
	"slices"

	"qualifyd/rules"
	"qualifyd/sync/salesforce"
)

// RecordsByEmail asks Salesforce which records of an object have one of some e-mail addresses, and lists their Ids by folded address. Deleted ones are
// left out.
func RecordsByEmail(ctx context.Context, sf *salesforce.Client, object rules.Object, emails []string) (map[string][]string, error) {
	emails = slices.DeleteFunc(slices.Clone(emails), func(email string) bool { return !quotable(email) })
	soql := func(values []string) salesforce.Soql {
		return salesforce.Select("Id", "Email", "IsDeleted").From(string(object)).Where(salesforce.In("Email", values))
	}
	found := map[string][]string{}
	for len(emails) > 0 {
		n := min(len(emails), referralsAQuery)
		for n > 1 && !sf.Fits(soql(emails[:n])) {
			n /= 2
		}
		some := emails[:n]
		page, _, err := sf.QueryAll(ctx, soql(some))
		if err != nil && n > 1 && !sf.Fits(soql(some)) {
			continue // Salesforce refused it for its length, which the client goes by from now on
		}
		emails = emails[n:]
		for err == nil {
			for _, row := range page.Rows {
				if email := rules.FoldEmail(row.Text("Email")); row.Text("IsDeleted") != "true" {
					found[email] = append(found[email], rules.ID18(row.Text("Id")))
				}
			}
			if page.Next == "" {
				break
			}
			page, _, err = sf.More(ctx, page.Next)
		}
		if err != nil {
			return nil, fmt.Errorf("look up %d e-mail addresses on %s: %w", len(some), object, err)
		}
	}
	return found, nil
}
