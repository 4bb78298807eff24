package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"qualifyd/rules"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// inWords tells an error of a service, and what to do about it.
func inWords(err error) (text, do string) {
	var sf *salesforce.APIError
	var refused *referralfactory.Refused
	var rejected *referralfactory.Rejected
	var unavailable *referralfactory.Unavailable
	var host *net.DNSError
	switch {
	case errors.As(err, &sf) && sf.Hint != "":
		bare := *sf
		bare.Hint = ""
		return bare.Error(), sf.Hint
	case errors.As(err, &sf) && sf.Kind == salesforce.Limit:
		return err.Error(), "wait until the org's API requests of the last 24 hours fall, or find out who uses them: Setup, Company Information, API Requests"
	case errors.As(err, &sf) && sf.Kind == salesforce.Refused:
		return err.Error(), "look at the user and the app in Salesforce: Setup, Login History of the user tells why it was refused"
	case errors.As(err, &refused):
		return err.Error(), "copy the key again at Referral Factory (Settings, Webhooks and API) and put it where the config says: making a new key ends the former one"
	case errors.As(err, &rejected) && rejected.Status == http.StatusNotFound:
		return err.Error(), "correct referral_factory.base_url in the config: usually it is https://api.referral-factory.com/api/v2"
	case errors.As(err, &sf) && sf.Status >= 500, errors.As(err, &unavailable) && unavailable.Status >= 500:
		return err.Error(), "nothing, if it is over soon: the service, or a proxy on the way to it, is in trouble, and qualifyd goes on trying; run qualifyd doctor again later"
	case errors.As(err, &host) && host.IsNotFound:
		return err.Error(), "check the address in the config, and whether this machine can look up names (DNS)"
	}
	return err.Error(), "look at the network between this machine and the service (firewall, proxy, HTTPS_PROXY), and try again"
}

// where is the place in Setup at which a field's security is set.
func where(object rules.Object, field string) string {
	return fmt.Sprintf("Setup, Object Manager, %s, Fields & Relationships, %s, Set Field-Level Security", object, field)
}

// count writes "1 Lead" or "3 Leads".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// some joins at most five of a list.
func some(list []string) string {
	const most = 5
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// long writes a duration in its largest unit.
func long(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}

func didYouMean(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + some(near) + "?"
}
