package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// createWith posts a Contact under a fault, and says what the client saw and
// how many Contacts there are then.
func createWith(c *client, hc *http.Client, base string, f *Fault) string {
	c.org.SetFault(func(*http.Request) *Fault { return f })
	defer c.org.SetFault(nil)
	r, _ := http.NewRequest("POST", base+"/services/data/v67.0/sobjects/Contact", strings.NewReader(`{"LastName":"Ann"}`))
	r.Header.Set("Authorization", "Bearer "+c.token)
	made := func() string { return fmt.Sprintf(", %d made", len(c.org.IDs("Contact"))) }
	resp, err := hc.Do(r)
	if err != nil {
		return "no answer" + made()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Sprintf("%d, %d bytes and an error", resp.StatusCode, len(body)) + made()
	case resp.Header.Get("Date") == "":
		return "no date" + made()
	}
	return fmt.Sprintf("%d, %d bytes", resp.StatusCode, len(body)) + made()
}

var faults = []struct {
	what  string
	fault *Fault
	want  string
}{
	{"none", nil, "201, 54 bytes, 1 made"},
	{"dropped before", &Fault{Refused: true}, "no answer, 0 made"},
	{"dropped after", &Fault{Lost: true}, "no answer, 1 made"},
	{"cut", &Fault{Cut: 10}, "201, 10 bytes and an error, 1 made"},
	{"empty", &Fault{Empty: true}, "201, 0 bytes, 1 made"},
	{"no gzip", &Fault{FalseGzip: true}, "201, 0 bytes and an error, 1 made"},
	{"no date", &Fault{NoDate: true}, "no date, 1 made"},
	{"HTML", HTML(503), "503, 109 bytes, 0 made"},
	{"over the limit", OverLimit(), "403, 82 bytes, 0 made"},
	{"dead session", &Fault{SessionDeath: true}, "401, 75 bytes, 0 made"},
}

func TestFaultsInProcess(t *testing.T) {
	for _, test := range faults {
		c := newClient(t)
		want(t, test.what, createWith(c, c.http, host, test.fault), test.want)
	}
}

func TestFaultsOverASocket(t *testing.T) {
	for _, test := range faults {
		c := newClient(t)
		server := httptest.NewServer(c.org.Handler())
		want(t, test.what, createWith(c, server.Client(), server.URL, test.fault), test.want)
		server.Close()
	}
}

func TestADelayIsBetweenDoingAndAnswering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := NewOrg(time.Now)
		org.SetFault(func(*http.Request) *Fault { return &Fault{Delay: 10 * time.Second} })
		begun := time.Now()
		r, _ := http.NewRequest("GET", "https://acme/services/data", nil)
		resp, err := Transport(map[string]http.Handler{"acme": org.Handler()}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "Date, the time of the end", resp.Header.Get("Date"), begun.Add(10*time.Second).UTC().Format(http.TimeFormat))
	})
}

func TestAClientThatGivesUpDoesNotUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		c.org.SetFault(func(*http.Request) *Fault { return &Fault{Delay: time.Minute} })
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "POST", host+"/services/data/v67.0/sobjects/Contact", strings.NewReader(`{"LastName":"Ann"}`))
		r.Header.Set("Authorization", "Bearer "+c.token)
		begun := time.Now()
		_, err := c.http.Do(r)
		want(t, "error", errors.Is(err, context.DeadlineExceeded), true)
		want(t, "after", time.Since(begun), 30*time.Second)
		want(t, "Contacts", len(c.org.IDs("Contact")), 1)
	})
}

func TestAnUnknownHostCannotBeReached(t *testing.T) {
	r, _ := http.NewRequest("GET", "https://elsewhere/", nil)
	if _, err := Transport(nil).RoundTrip(r); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v, want no such host", err)
	}
}

func TestGzipWhenAskedFor(t *testing.T) {
	c := newClient(t)
	c.org.Create("Contact", Fields{"LastName": "Ann"})
	server := httptest.NewServer(c.org.Handler())
	defer server.Close()
	r, _ := http.NewRequest("GET", server.URL+"/services/data/v67.0/query?q=SELECT+LastName+FROM+Contact", nil)
	r.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	want(t, "unzipped", resp.Uncompressed && err == nil && strings.Contains(string(body), `"LastName":"Ann"`), true)
}
