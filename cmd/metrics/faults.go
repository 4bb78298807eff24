package metrics

import (
	"errors"
	"slices"

	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// How a run went.
const (
	well   = "well"
	failed = "failed"
	putOff = "put_off"
)

var outcomes = []string{well, failed, putOff}

func outcome(err error) string {
	switch {
	case err == nil:
		return well
	case errors.Is(err, poll.ErrStretched):
		return putOff
	}
	return failed
}

// fault is what a run can meet: whose it is, and of what kind.
type fault struct{ service, kind string }

// The services, and the kinds of fault that both of them have.
const (
	ofSalesforce      = "salesforce"
	ofReferralFactory = "referral_factory"

	unreachable   = "unreachable"    // no answer, or one that says later
	limit         = "limit"          // too many calls
	refused       = "refused"        // the credentials, or a permission
	rejected      = "rejected"       // the service will not do it, or does not have what was asked for
	invalidAnswer = "invalid_answer" // one that nothing can be concluded from
)

var (
	storeFull    = fault{"store", "full"}
	storeFailed  = fault{"store", "failed"}
	programFault = fault{"program", "other"} // what has no other place: a panic, another org's credentials

	faults = []fault{
		{ofSalesforce, unreachable}, {ofSalesforce, limit}, {ofSalesforce, refused}, {ofSalesforce, rejected}, {ofSalesforce, invalidAnswer},
		{ofReferralFactory, unreachable}, {ofReferralFactory, limit}, {ofReferralFactory, refused}, {ofReferralFactory, rejected},
		{ofReferralFactory, invalidAnswer}, storeFull, storeFailed, programFault,
	}
)

// faultsOf are the faults that a run met; a hundred of one kind are one.
func faultsOf(err error) map[fault]bool {
	met := map[fault]bool{}
	if outcome(err) == failed {
		gather(err, met)
	}
	return met
}

// gather goes down a tree of errors until it finds one that says what it is.
func gather(err error, met map[fault]bool) {
	if f, known := faultOf(err); known {
		met[f] = true
		return
	}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		several := e.Unwrap()
		if slices.Contains(several, poll.ErrStore) || slices.Contains(several, deliver.ErrStore) { // what is beside it is the cause
			met[storeFault(err)] = true
			return
		}
		for _, one := range several {
			if one != deliver.ErrOpen && one != poll.ErrOpen && one != poll.ErrStretched { // what is beside it says more
				gather(one, met)
			}
		}
	case interface{ Unwrap() error }:
		gather(e.Unwrap(), met)
	default:
		met[programFault] = true
	}
}

func storeFault(err error) fault {
	if errors.Is(err, store.ErrFull) {
		return storeFull
	}
	return storeFailed
}

func faultOf(err error) (fault, bool) {
	switch e := err.(type) {
	case *salesforce.APIError:
		return fault{ofSalesforce, salesforceKind(e.Kind)}, true
	case *referralfactory.Refused:
		return fault{ofReferralFactory, refused}, true
	case *referralfactory.Rejected:
		return fault{ofReferralFactory, rejected}, true
	case *referralfactory.Unavailable:
		return fault{ofReferralFactory, unavailableKind(e.Status)}, true
	}
	switch err {
	case referralfactory.ErrNotFound:
		return fault{ofReferralFactory, rejected}, true
	case deliver.ErrOpen: // a request before had no answer
		return fault{ofReferralFactory, unreachable}, true
	case poll.ErrOpen:
		return fault{ofSalesforce, unreachable}, true
	case poll.ErrBudget:
		return fault{ofSalesforce, limit}, true
	case poll.ErrStore, deliver.ErrStore, store.ErrFull, store.ErrDoubtful, store.ErrDamaged:
		return storeFault(err), true
	}
	return fault{}, false
}

func salesforceKind(k salesforce.Kind) string {
	switch k {
	case salesforce.Limit:
		return limit
	case salesforce.Refused:
		return refused
	case salesforce.Malformed, salesforce.Locator:
		return invalidAnswer
	case salesforce.Transient, salesforce.ReadOnly, salesforce.Stopped:
		return unreachable
	}
	return rejected
}

func unavailableKind(status int) string {
	switch {
	case status == 429:
		return limit
	case status >= 200 && status < 400:
		return invalidAnswer
	}
	return unreachable
}
