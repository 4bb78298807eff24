package metrics

import (
	"encoding/json"
	"fmt"
	"net/http"

	"qualifyd/cmd/desk"
)

// healthz tells whether each job of the daemon gets on. A supervisor that finds the process unhealthy starts it anew, so only what a new start can mend
// may count: neither an outage of Salesforce or Referral Factory, nor refused credentials, nor a full disk.
func (m *Metrics) healthz(w http.ResponseWriter, _ *http.Request) {
	if err := m.alive(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}

// readiness is what /readyz answers.
//
// Ready is whether this process can do its work as far as this host is concerned: the store takes and gives, and the config file as it is now is
// what runs. How the services do is told beside it and makes nothing unready: whoever acts on "not ready" takes a release back or a host out,
// which brings no service back, and what is owed is kept meanwhile. Somebody who wants to hear of an outage has the alerts. The states have no
// words of a service's, which could name somebody.
type readiness struct {
	Ready           bool                 `json:"ready"`
	Reasons         []string             `json:"reasons"` // why not
	Salesforce      desk.ConnectionState `json:"salesforce,omitempty"`
	ReferralFactory desk.ConnectionState `json:"referral_factory,omitempty"`
}

func (m *Metrics) readiness() readiness {
	r := readiness{Reasons: []string{}}
	v, err := m.desk.Load().Vitals()
	switch {
	case err != nil:
		r.Reasons = append(r.Reasons, "the store cannot be read (qualifyd store check)")
	case m.storeTroubled():
		r.Reasons = append(r.Reasons, "the store could not be written by the newest run; is there room on its disk? (qualifyd status)")
	}
	if m.reloadFailed.Load() {
		r.Reasons = append(r.Reasons, "the config file was refused when it was last read; the one before it is in force (qualifyd config check)")
	}
	if err == nil {
		r.Salesforce, r.ReferralFactory = v.Salesforce, v.ReferralFactory
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

func (m *Metrics) readyz(w http.ResponseWriter, _ *http.Request) {
	r := m.readiness()
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // who asked may be gone
}

// storeTroubled tells whether the newest run of any job could not use the store.
func (m *Metrics) storeTroubled() bool {
	m.recent.Lock()
	defer m.recent.Unlock()
	for _, is := range m.troubled {
		if is {
			return true
		}
	}
	return false
}

func (m *Metrics) lastTally() []desk.CampaignStatus {
	m.recent.Lock()
	defer m.recent.Unlock()
	return m.tally
}
