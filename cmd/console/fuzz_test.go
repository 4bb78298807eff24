package console

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"qualifyd/cmd/config"
	"qualifyd/cmd/desk"
	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
	"qualifyd/sync/sandbox"
)

// receiveFrom reads an answer, and the work that it told of.
func receiveFrom(t *testing.T, body string) (raw json.RawMessage, work []string, err error) {
	t.Helper()
	resp := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}
	raw, err = receive(t.Context(), resp, func(w string, _, _ int) { work = append(work, w) })
	return raw, work, err
}

// FuzzAnswer: what a daemon sends is an answer or an error, never nothing; a part of it is no other answer; and what it meant to send arrives.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"progress":{"work":"looking","done":1,"total":2}}` + "\n" + `{"answer":{"pinned":2,"problems":[]}}` + "\n", `{"failed":{"code":75,"text":"later"}}`,
		`{"answer":null}`, `{}`, `{"progress":null}`, `{"progress":{}}`, `{"answer":[1],"failed":{"text":"x"}}`, `null`, `<html>`, "",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		raw, _, err := receiveFrom(t, body)
		if err == nil && !json.Valid(raw) {
			t.Errorf("%q: got the answer %q, want an error", body, raw)
		}
		if part, _, cut := receiveFrom(t, body[:len(body)*2/3]); cut == nil && !bytes.Equal(part, raw) {
			t.Errorf("a part of %q is answered %q, and the whole %q", body, part, raw)
		}
		wantArrives(t, body)
	})
}

// wantArrives has a text sent by a daemon: as its progress and answer, and as its failure.
func wantArrives(t *testing.T, text string) {
	t.Helper()
	text = strings.ToValidUTF8(text, "?")
	answer, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	sent := httptest.NewRecorder()
	out := &lines{w: sent}
	out.write(line{Progress: &progress{Work: text}})
	out.write(line{Answer: answer})
	raw, work, err := receiveFrom(t, sent.Body.String())
	var got string
	if json.Unmarshal(raw, &got) != nil || got != text || err != nil || !slices.Equal(work, []string{text}) {
		t.Errorf("%q was sent: got %q with the progress %q, %v", text, raw, work, err)
	}
	sent = httptest.NewRecorder()
	(&lines{w: sent}).write(line{Failed: &Failed{Code: 75, Text: text}})
	if raw, _, err := receiveFrom(t, sent.Body.String()); err == nil || raw != nil || err.Error() != text {
		t.Errorf("the failure %q was sent: got %q, %v", text, raw, err)
	}
}

// FuzzAsked: whatever is asked, the daemon answers in a way that the command understands, and does not panic; what is no request is refused.
func FuzzAsked(f *testing.F) {
	for _, q := range desk.All() {
		f.Add(q.Name(), []byte(`{}`))
	}
	for name, request := range map[string]string{
		"qualify": `{"referral":"1001","reason":"by hand"}`, "explain": `{"referral":"code:code1001"}`, "referrals": `{"campaign":"101"}`, "release": `{"campaign":101,"reason":"x"}`,
		"pin": `{"referral":"1001","record":"00Q000000000001EAA","reason":"x"}`, "import": `{"file":"aWQscmVjb3JkCjEwMDEsMDBRMDAwMDAwMDAwMDAxRUFBCg==","reason":"x","preview":true}`,
		"status": `null`, "check": `{}{}`, "unknown": `{"reviewed":true}`,
	} {
		f.Add(name, []byte(request))
	}
	d := askedDesk(f)
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		if slices.Contains([]string{desk.PollQuestion.Name(), desk.DoctorQuestion.Name(), desk.CampaignsQuestion.Name()}, name) {
			t.Skip("it takes no request, and needs a Referral Factory")
		}
		var logged bytes.Buffer
		a := &asking{exitCode: func(error) int { return 75 }, log: zerolog.New(&logged)}
		a.desk.Store(d)
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		request.URL.Path = "/ask/" + name
		request.Header.Set(storeHeader, d.Config.Store.Path)
		answer := httptest.NewRecorder()
		a.ServeHTTP(answer, request)
		if strings.Contains(logged.String(), `"panic"`) {
			t.Errorf("%s %q: the question panicked: %s", name, body, &logged)
		}
		raw, err := receive(t.Context(), answer.Result(), nil)
		switch known := desk.Find(name) != nil; {
		case known != (answer.Code == http.StatusOK), err != nil && err.Error() == "", err == nil && !json.Valid(raw):
			t.Errorf("%s %q: got %d, %q, %v", name, body, answer.Code, raw, err)
		case known && err == nil && !json.Valid(body):
			t.Errorf("%s %q, which is no request: got %q", name, body, raw)
		}
	})
}

// askedDesk is a desk over a new store with a referral, and over an org.
func askedDesk(f *testing.F) *desk.Desk {
	f.Helper()
	c := config.Default()
	c.Store.Path = filepath.Join(f.TempDir(), "qualifyd.db")
	s, err := store.Create(c.Store.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	err = s.Update(func(tx *store.Tx) error {
		return tx.PutReferral(rules.Referral{ID: 1001, CampaignID: 101, FirstName: "Ann", Email: "ann@example.com", Code: "code1001", Standing: rules.Pending,
			Verdict: rules.Verdict{Outcome: rules.Not, Reason: rules.NoRecord}})
	})
	if err != nil {
		f.Fatal(err)
	}
	org := sandbox.NewOrg(nil)
	id, secret := org.Credentials()
	client, err := salesforce.New(salesforce.Options{LoginURL: "https://acme.my.salesforce.com", APIVersion: "67.0", Flow: salesforce.ClientCredentials, ClientID: id, ClientSecret: secret,
		Transport: sandbox.Transport(map[string]http.Handler{"acme.my.salesforce.com": org.Handler()}), Log: zerolog.Nop()})
	if err != nil {
		f.Fatal(err)
	}
	return &desk.Desk{Version: "1.2.3", Config: c, Store: s, Salesforce: client, DeliverNow: func() {},
		Campaigns: []rules.Campaign{{ID: 101, Name: "Refer a friend", Method: rules.LeadFieldChanges, Object: rules.Lead, Field: "Status", Value: "Qualified"}}}
}
