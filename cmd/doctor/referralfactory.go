package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
)

// reading is a service's time beside this machine's.
type reading struct{ service, local time.Time }

// askReferralFactory tries the key, at both hosts where there are two, and asks for the campaigns and the first users.
func (c *checkup) askReferralFactory(ctx context.Context) {
	c.report.Calls.ReferralFactory += 2
	campaigns, answer, err := c.ReferralFactory.Campaigns(ctx)
	c.rfClock = reading{answer.Date, c.Now()}
	page, _, usersErr := c.ReferralFactory.Users(ctx, 1)
	if err == nil {
		c.campaigns = append([]referralfactory.Campaign{}, campaigns...)
	}
	if usersErr == nil {
		c.users = append([]referralfactory.User{}, page.Users...)
	}
	if c.checkBaseURL(ctx, usersErr) {
		c.checkKey(err, usersErr)
	}
	if usersErr == nil {
		c.checkAccount()
	}
}

func (c *checkup) checkKey(campaigns, users error) {
	const check, title = "referral_factory.key", "Referral Factory key"
	switch {
	case users != nil:
		text, do := inWords(users)
		c.red(Connected, check, title, text, do)
	case campaigns != nil:
		c.yellow(Connected, check, title, "it is taken for the users, but the campaigns cannot be listed: "+campaigns.Error(),
			"look at the campaigns in Referral Factory yourself: whether each is launched is not checked")
	default:
		c.green(Connected, check, title, "it is taken; the account has "+count(len(c.campaigns), "campaign"))
	}
}

// hosts are the two under which the API answers; which of them is right is documented in both ways.
var hosts = []string{"api.referral-factory.com", "referral-factory.com"}

// checkBaseURL tells whether the API answers at the other host as well. It reports false where it answers there only, which explains all.
func (c *checkup) checkBaseURL(ctx context.Context, here error) bool {
	const check, title = "referral_factory.base_url", "Referral Factory address"
	base := c.Config.ReferralFactory.BaseURL
	other := otherHost(base)
	if other == "" || c.OtherBaseURL == nil {
		if here == nil {
			c.green(Connected, check, title, base+" answers")
		}
		return true
	}
	c.report.Calls.ReferralFactory++
	there := c.OtherBaseURL(ctx, other)
	switch {
	case here == nil && there == nil:
		c.green(Connected, check, title, fmt.Sprintf("%s answers, and so does %s", base, other))
	case here == nil:
		c.green(Connected, check, title, fmt.Sprintf("%s answers; %s does not, and need not", base, other))
	case there == nil:
		c.red(Connected, check, title, fmt.Sprintf("%s answers with this key, and %s does not: %v", other, base, here), "set referral_factory.base_url: "+other)
		return false
	}
	return true // at neither: the key's finding tells why
}

// otherHost is the base URL at the other of the two hosts; "" for one that is at neither, such as a sandbox's.
func otherHost(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	switch at := slices.Index(hosts, strings.ToLower(u.Host)); at {
	case 0, 1:
		u.Host = hosts[1-at]
		return u.String()
	}
	return ""
}

// checkAccount tells whether what leads to the account is known to lead to the store's.
func (c *checkup) checkAccount() {
	if c.Store == nil || c.file == nil || c.file.owner.Account == "" {
		return
	}
	o := c.Poll
	o.Store = c.Store
	const check, title = "referral_factory.account", "Referral Factory account"
	switch known, err := poll.New(o).AccountKnown(); {
	case err != nil:
		c.red(Connected, check, title, err.Error(), "look at the store: qualifyd store check")
	case known:
		c.green(Connected, check, title, "the same that the store belongs to")
	default:
		c.yellow(Connected, check, title,
			"the key or the address changed since the last sweep; the next one looks whether known referrals are there, before anything is sent",
			"run qualifyd poll, and look at qualifyd status")
	}
}

// checkCampaigns looks, campaign by campaign, at whether it runs and has a rule; and whether its records can be made and found.
func (c *checkup) checkCampaigns(context.Context) {
	for _, one := range c.Campaigns {
		if c.campaigns != nil {
			c.checkCampaign(one)
		}
		if _, ok := c.describes[one.Object]; ok {
			c.checkCodeField(one)
			if one.Creates() {
				c.checkMapping(one)
			}
		}
		if c.users != nil {
			c.checkReferred(one)
		}
	}
	if c.campaigns != nil {
		c.checkUnconfigured()
	} else {
		c.yellow(RuleChosen, "campaigns", "Campaigns", "not checked: Referral Factory does not list them",
			"mend first what is told of Referral Factory above, then run qualifyd doctor again")
	}
}

func (c *checkup) checkCampaign(one rules.Campaign) {
	check, title := fmt.Sprintf("campaign.%d", one.ID), fmt.Sprintf("Campaign %d", one.ID)
	at := slices.IndexFunc(c.campaigns, func(there referralfactory.Campaign) bool { return there.ID == one.ID })
	if at < 0 {
		c.red(RuleChosen, check, title, fmt.Sprintf("Referral Factory has no campaign %d (%s) in this account", one.ID, one.Name),
			"correct its id in the config (qualifyd campaigns lists them), or use the key of the account that has it")
		return
	}
	there := c.campaigns[at]
	title += " " + there.Name
	today := day(c.rfClock.service)
	switch {
	case one.Method == rules.None:
		c.yellow(RuleChosen, check, title, "its method is none: its referrals never qualify by a change in Salesforce",
			"choose a method under campaigns, qualify, if they should")
	case there.EndsAt != "" && there.EndsAt < today:
		c.yellow(RuleChosen, check, title, "it ended on "+there.EndsAt+": nobody joins any more; who joined before still qualifies",
			"nothing, if that is meant; else move its end in Referral Factory")
	case there.StartsAt > today:
		c.yellow(RuleChosen, check, title, "it begins on "+there.StartsAt+": nobody can join before", "nothing, if that is meant; else move its start in Referral Factory")
	case there.Status != referralfactory.Launched:
		c.yellow(RuleChosen, check, title, fmt.Sprintf("its status is %s: nobody can join; who joined before still qualifies", orUnknown(there.Status)),
			"launch it in Referral Factory, if people should join")
	default:
		c.green(RuleChosen, check, title, "launched; "+one.InWords())
	}
}

// checkUnconfigured names running campaigns that the config leaves out. That may be meant.
func (c *checkup) checkUnconfigured() {
	var names []string
	for _, there := range c.campaigns {
		configured := slices.ContainsFunc(c.Campaigns, func(one rules.Campaign) bool { return one.ID == there.ID })
		if !configured && there.Status == referralfactory.Launched {
			names = append(names, fmt.Sprintf("%d %s", there.ID, there.Name))
		}
	}
	if len(names) > 0 {
		c.green(RuleChosen, "campaigns.unconfigured", "Other campaigns",
			fmt.Sprintf("launched and not in the config, so qualifyd leaves their referrals alone: %s", some(names)))
	}
}

// checkReferred tells whether anybody came by a referral link, among the account's first users.
func (c *checkup) checkReferred(one rules.Campaign) {
	check, title := fmt.Sprintf("campaign.%d.referred", one.ID), fmt.Sprintf("Campaign %d, referred people", one.ID)
	members, referred := 0, 0
	for _, u := range c.users {
		if u.CampaignID != one.ID {
			continue
		}
		members++
		if u.ReferrerID != 0 {
			referred++
		}
	}
	known := 0
	if c.file != nil {
		known = c.file.tallies[one.ID].referrals
	}
	switch {
	case known > 0:
		c.green(Captured, check, title, count(known, "referral")+" known")
	case referred > 0 && c.file != nil:
		c.yellow(Captured, check, title, fmt.Sprintf("%s came by a referral link, and the store knows none yet", count(referred, "person")),
			"run qualifyd poll, or start the service")
	case referred > 0:
		c.green(Captured, check, title, fmt.Sprintf("%d of %s of the account's first page came by a referral link", referred, count(members, "user")))
	case members > 0:
		c.yellow(Captured, check, title,
			fmt.Sprintf("none of %s of the account's first page came by somebody's referral link; only those who did can qualify", count(members, "user")),
			"share a referrer's own link (not the campaign's), and sign up by it to try")
	default:
		c.green(Captured, check, title, "nobody has joined yet, as far as the account's first page of users shows")
	}
}
