package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"qualifyd/cmd/config"
	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/salesforce"
)

// logIn logs in, and asks who we are, where, and what we may.
func (c *checkup) logIn(ctx context.Context) {
	who, err := c.Salesforce.Identity(ctx)
	if err != nil {
		c.outside("salesforce.login", "Salesforce login", err)
		return
	}
	c.who = who
	c.report.Calls.Salesforce++
	_, results, err := c.Salesforce.Composite(ctx, c.identityQueries())
	if err != nil {
		if salesforce.KindOf(err) == salesforce.Gone {
			c.checkVersion(ctx)
		}
		c.outside("salesforce.api", "Salesforce API", err)
		return
	}
	c.loggedIn = true
	c.checkUser(results[0])
	c.checkOrg(results[1])
	c.access = accessOf(results[2], results[3], results[4])
	c.checkVersion(ctx)
}

// outside tells why Salesforce lets nobody in, and once that all the rest depends on it.
func (c *checkup) outside(check, title string, err error) {
	text, do := inWords(err)
	c.red(Connected, check, title, text, do)
	c.yellow(Connected, "salesforce.rest", "Everything else in Salesforce",
		"not checked: permissions, fields, values, stages, history and codes", "mend that first, then run qualifyd doctor again")
}

func (c *checkup) identityQueries() []salesforce.Query {
	var objects []string
	for _, object := range poll.Described(c.Poll) {
		objects = append(objects, string(object))
	}
	return []salesforce.Query{
		{Name: "user", SOQL: salesforce.Select("Username").From("User").Where(salesforce.Equal("Id", c.who.UserID)).Living()},
		{Name: "organization", SOQL: salesforce.Select("Id", "Name", "IsSandbox", "OrganizationType").From("Organization").Living()},
		{Name: "permissions", SOQL: salesforce.Select("PermissionsViewAllData").From("UserPermissionAccess").Living()},
		{Name: "assignments", SOQL: salesforce.Select("PermissionSetId").From("PermissionSetAssignment").Where(salesforce.Equal("AssigneeId", c.who.UserID)).Living()},
		{Name: "sharing", SOQL: salesforce.Select("QualifiedApiName", "InternalSharingModel").From("EntityDefinition").
			Where(salesforce.In("QualifiedApiName", objects)).Living()},
	}
}

// checkUser tells as whom the login was, and how.
func (c *checkup) checkUser(user salesforce.Result) {
	name := "the user " + c.who.UserID
	if user.Err == nil && len(user.Rows) == 1 {
		name = user.Rows[0].Text("Username")
	}
	auth := c.Config.Salesforce.Auth
	text := fmt.Sprintf("as %s, by the flow %s at %s", name, auth.Flow, c.Config.Salesforce.LoginURL)
	if auth.Flow == config.FlowJWT {
		text += " with the audience " + c.Salesforce.Audience()
	}
	c.add(Finding{Group: Connected, Check: "salesforce.login", Colour: Green, Title: "Salesforce login", Text: text,
		Details: map[string]any{"user": name, "flow": auth.Flow, "instance": c.who.InstanceURL}})
}

// checkOrg tells which org it is, whether it is the store's, and whether it qualifies people for real.
func (c *checkup) checkOrg(org salesforce.Result) {
	const check, title = "salesforce.org", "Org"
	if org.Err != nil || len(org.Rows) != 1 {
		c.red(Connected, check, title, fmt.Sprintf("which org it is cannot be read: %v", org.Err),
			"give the user read access to the Organization object (the permission API Enabled is enough in most orgs)")
		return
	}
	row := org.Rows[0]
	id := rules.ID18(row.Text("Id"))
	c.sandbox = row.Text("IsSandbox") == "true"
	kind := "live"
	if c.sandbox {
		kind = "a sandbox"
	}
	text := fmt.Sprintf("%s (%s), %s, %s", row.Text("Name"), id, kind, row.Text("OrganizationType"))
	sends := c.Config.ReferralFactory.SendFromSandbox
	switch {
	case c.file != nil && c.file.owner.OrgID != "" && c.file.owner.OrgID != id:
		c.red(Connected, check, title, fmt.Sprintf("%s; but the store %s belongs to the org %s", text, c.Config.Store.Path, c.file.owner.OrgID),
			"use that org's credentials, or name another store.path for this org")
	case c.sandbox && sends:
		c.yellow(Connected, check, title, text+"; send_from_sandbox is on, so what happens in the sandbox qualifies people for real",
			"set referral_factory.send_from_sandbox: false once the trial is over")
	case c.sandbox:
		c.yellow(Connected, check, title, text+"; nobody is qualified for real, verdicts are kept and shown as sandbox",
			"connect to the live org when the trial is over (Connect Live Mode in Referral Factory's words)")
	default:
		c.green(Connected, check, title, text)
	}
}

func (c *checkup) checkVersion(ctx context.Context) {
	const check, title = "salesforce.api_version", "API version"
	c.report.Calls.Salesforce++
	versions, err := c.Salesforce.Versions(ctx)
	version := c.Config.Salesforce.APIVersion
	switch {
	case err != nil:
		text, do := inWords(err)
		c.yellow(Connected, check, title, "which versions the org serves is not known: "+text, do)
	case slices.Contains(versions, version):
		c.green(Connected, check, title, fmt.Sprintf("%s; the org serves %s to %s", version, versions[0], versions[len(versions)-1]))
	default:
		c.red(Connected, check, title, fmt.Sprintf("the org does not serve %s, but %s to %s", version, versions[0], versions[len(versions)-1]),
			"set salesforce.api_version to one of these")
	}
}

// describe asks for the fields of the objects that a pass describes, and works out from them what a pass would do.
func (c *checkup) describe(ctx context.Context) {
	if !c.loggedIn {
		return
	}
	for _, object := range poll.Described(c.Poll) {
		c.report.Calls.Salesforce += 2 // describe, and which fields have history tracking
		infos, err := c.Salesforce.FieldInfos(ctx, string(object))
		if err != nil {
			c.undescribed(object, err)
			continue
		}
		c.fields[object] = infos
		d := salesforce.Describe{Name: string(object)}
		for _, info := range infos {
			d.Fields = append(d.Fields, info.Field)
		}
		c.describes[object] = d
	}
	c.outline = poll.OutlineOf(c.Poll, c.describes, c.since())
	for _, object := range poll.Described(c.Poll) {
		if _, ok := c.describes[object]; ok {
			c.checkColumns(object)
		}
	}
}

func (c *checkup) undescribed(object rules.Object, err error) {
	check, title := "object."+string(object), string(object)
	text, do := inWords(err)
	if salesforce.KindOf(err) != salesforce.ObjectGone {
		c.red(Connected, check, title, text, do)
		return
	}
	text = fmt.Sprintf("the Salesforce user may not see the object %s at all", object)
	do = fmt.Sprintf("give the user Read on the object: Setup, Permission Sets, (the integration's), Object Settings, %s", object)
	if c.needs(object) {
		c.red(Connected, check, title, text, do)
		return
	}
	c.yellow(Connected, check, title, text+", which no configured rule needs; only codes on it are not found", do)
}

// needs tells whether a campaign's referrals cannot be judged without an object: it is theirs, a conversion makes it, or existing customers
// are looked for there.
func (c *checkup) needs(object rules.Object) bool {
	return slices.ContainsFunc(c.Campaigns, func(one rules.Campaign) bool {
		return one.Object == object || object == rules.Opportunity && one.NeedsConversion() ||
			object != rules.Opportunity && one.Duplicates == rules.DoNothing
	})
}

// checkColumns tells which of the fields cannot be read by which records are found and conversions are followed. The rules' and codes' own
// fields are told with their campaigns.
func (c *checkup) checkColumns(object rules.Object) {
	check, title := "object."+string(object), string(object)
	var hidden []string
	for _, name := range c.outline.Wanted[object] {
		if _, ok := c.describes[object].Field(name); !ok && !c.campaignsOwn(name) {
			hidden = append(hidden, name)
		}
	}
	if len(hidden) == 0 {
		c.green(Connected, check, title, fmt.Sprintf("readable, with %d fields", len(c.describes[object].Fields)))
		return
	}
	text := fmt.Sprintf("the Salesforce user may not read %s", some(hidden))
	do := "give the user Read on it: " + where(object, hidden[0])
	if c.blinding(object, hidden) {
		c.red(Connected, check, title, text+"; without it referrals and conversions are not recognised", do)
		return
	}
	c.yellow(Connected, check, title, text+"; merged or converted records are not followed everywhere", do)
}

// campaignsOwn tells whether a campaign names a field itself.
func (c *checkup) campaignsOwn(field string) bool {
	return slices.ContainsFunc(c.Campaigns, func(one rules.Campaign) bool {
		_, watched := one.WatchedField()
		return strings.EqualFold(watched, field) || strings.EqualFold(one.CodeField, field)
	})
}

func (c *checkup) blinding(object rules.Object, hidden []string) bool {
	converts := slices.ContainsFunc(c.Campaigns, rules.Campaign.NeedsConversion)
	return slices.ContainsFunc(hidden, func(name string) bool {
		if name == "Email" {
			return c.needs(object)
		}
		return converts && name != "MasterRecordId"
	})
}
