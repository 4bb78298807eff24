package doctor

import (
	"context"
	"fmt"
	"strings"

	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
)

// access is how much of the records the Salesforce user sees, as far as the org tells. Rows that sharing hides are simply absent from
// answers, so nothing else shows that some are missing.
type access struct {
	all     *bool             // View All Data; nil: not told
	sets    []string          // Ids of the user's permission sets, the profile's among them; nil: not told
	sharing map[string]string // org-wide default by object; empty: not told
}

// accessOf reads the answers to what every API user may ask (UserPermissionAccess is "for the current user" and needs no permission), and
// to what takes View Setup and Configuration. That these are refused is no finding of its own.
func accessOf(permissions, assignments, sharing salesforce.Result) access {
	a := access{sharing: map[string]string{}}
	if permissions.Err == nil && len(permissions.Rows) == 1 {
		is := permissions.Rows[0].Text("PermissionsViewAllData") == "true"
		a.all = &is
	}
	if assignments.Err == nil {
		for _, row := range assignments.Rows {
			a.sets = append(a.sets, row.Text("PermissionSetId"))
		}
	}
	if sharing.Err == nil {
		for _, row := range sharing.Rows {
			a.sharing[row.Text("QualifiedApiName")] = row.Text("InternalSharingModel")
		}
	}
	return a
}

// checkPermissions tells for each object whether the user sees all its records.
func (c *checkup) checkPermissions(ctx context.Context) {
	if !c.loggedIn {
		return
	}
	granted, told := c.viewAll(ctx)
	for _, object := range poll.Described(c.Poll) {
		if _, ok := c.describes[object]; ok {
			c.checkViewAll(object, granted[string(object)], told)
		}
	}
}

// viewAll tells on which objects the user has View All; told is false where the org does not say.
func (c *checkup) viewAll(ctx context.Context) (granted map[string]bool, told bool) {
	granted = map[string]bool{}
	if c.seesAllData() || len(c.access.sets) == 0 {
		return granted, false
	}
	c.report.Calls.Salesforce++
	page, _, err := c.Salesforce.QueryAll(ctx, salesforce.Select("SobjectType", "PermissionsViewAllRecords").From("ObjectPermissions").
		Where(salesforce.In("ParentId", c.access.sets)).Living())
	if err != nil {
		return granted, false
	}
	for _, row := range page.Rows {
		if row.Text("PermissionsViewAllRecords") == "true" {
			granted[row.Text("SobjectType")] = true
		}
	}
	return granted, true
}

func (c *checkup) seesAllData() bool { return c.access.all != nil && *c.access.all }

func (c *checkup) checkViewAll(object rules.Object, granted, told bool) {
	check, title := "object."+string(object)+".view_all", fmt.Sprintf("Every %s", object)
	model := c.access.sharing[string(object)]
	switch {
	case c.seesAllData():
		c.green(Connected, check, title, "seen: the user has View All Data")
	case granted:
		c.green(Connected, check, title, fmt.Sprintf("seen: the user has View All on %s", object))
	case strings.HasPrefix(model, "Read"): // Read, ReadWrite, ReadWriteTransfer
		c.green(Connected, check, title, fmt.Sprintf("seen: everybody may read every %s (org-wide default)", object))
	case told:
		c.yellow(Connected, check, title, fmt.Sprintf("the user has no View All on %s and sharing is %s: records that are not shared with it do not exist for qualifyd",
			object, orUnknown(model)), viewAllHint(object))
	default:
		c.yellow(Connected, check, title,
			fmt.Sprintf("whether the user sees every %s cannot be told: that takes the permission View Setup and Configuration (sharing is %s)", object, orUnknown(model)),
			"look whether it is so: "+viewAllHint(object))
	}
}

func viewAllHint(object rules.Object) string {
	return fmt.Sprintf("give the integration user View All Records: Setup, Permission Sets, (the integration's), Object Settings, %s", object)
}

func orUnknown(text string) string {
	if text == "" {
		return "not known"
	}
	return text
}
