package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/salesforce"
)

// get asks a path of the handler.
func (w *world) get(path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	w.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer
}

// wantReady checks what /readyz says.
func (w *world) wantReady(situation string, code int, want readiness) {
	w.t.Helper()
	answer := w.get("/readyz")
	if answer.Code != code {
		w.t.Errorf("%s: got %d, want %d: %s", situation, answer.Code, code, answer.Body)
	}
	var got readiness
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		w.t.Fatalf("%s: %v in %s", situation, err, answer.Body)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: got %+v, want %+v", situation, got, want)
	}
}

func TestAnOutageOfAServiceMakesNothingUnhealthyOrUnready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.wantReady("before the first pass", 200, readiness{Ready: true, Salesforce: desk.Never, ReferralFactory: desk.Never})
		w.ran(desk.PollJob, nil)
		w.ran(desk.SweepJob, nil)
		w.wantReady("all is well", 200, readiness{Ready: true, Salesforce: desk.Connected, ReferralFactory: desk.Connected})
		for range 24 { // half a day
			w.ran(desk.PollJob, &salesforce.APIError{Kind: salesforce.Transient, Message: "ann@example.com"})
			w.ran(desk.SweepJob, &referralfactory.Refused{Status: 401})
			time.Sleep(30 * time.Minute)
		}
		w.wantReady("half a day without either", 200, readiness{Ready: true, Salesforce: desk.Trouble, ReferralFactory: desk.Refused})
		answer := w.get("/healthz")
		same(t, "health", fmt.Sprint(answer.Code, " ", answer.Body), "200 ok\n")
	})
}

func TestADaemonThatGetsNowhereIsUnhealthy(t *testing.T) {
	w := watching(t)
	same(t, "health", fmt.Sprint(w.get("/healthz").Code), "200")
	w.stuck = errors.New("poll: no step for 15m1s")
	answer := w.get("/healthz")
	same(t, "health of one whose poll hangs", fmt.Sprint(answer.Code, " ", answer.Body), "503 poll: no step for 15m1s\n")
	w.wantReady("one whose poll hangs", 200, readiness{Ready: true, Salesforce: desk.Never, ReferralFactory: desk.Never})
}

func TestReadyIsWhatThisHostCanDo(t *testing.T) {
	w := watching(t)
	const noRoom = "the store could not be written by the newest run; is there room on its disk? (qualifyd status)"
	w.Ran(t.Context(), desk.PollJob, time.Now(), fmt.Errorf("%w: %w", poll.ErrStore, store.ErrFull))
	w.ran(desk.DeliverJob, nil)
	w.wantReady("the disk was full at the newest pass", 503, readiness{Reasons: []string{noRoom}, Salesforce: desk.Never, ReferralFactory: desk.Never})
	w.wantMetrics("then", "qualifyd_store_usable{} 0", "qualifyd_store_usable")
	w.ran(desk.PollJob, nil)
	w.wantReady("there is room again", 200, readiness{Ready: true, Salesforce: desk.Connected, ReferralFactory: desk.Never})

	w.Reloaded(false)
	w.wantReady("a reload was refused", 503, readiness{Salesforce: desk.Connected, ReferralFactory: desk.Never,
		Reasons: []string{"the config file was refused when it was last read; the one before it is in force (qualifyd config check)"}})
	w.Reloaded(true)
	w.wantReady("the file was mended", 200, readiness{Ready: true, Salesforce: desk.Connected, ReferralFactory: desk.Never})

	if err := w.desk.Store.Close(); err != nil {
		t.Fatal(err)
	}
	w.wantReady("the store cannot be read", 503, readiness{Reasons: []string{"the store cannot be read (qualifyd store check)"}})
	same(t, "metrics without a store", w.get("/metrics").Code, 200)
	w.wantMetrics("then", "qualifyd_store_usable{} 0", "qualifyd_store_usable")
}

func TestWhatIsServedAndToWhom(t *testing.T) {
	w := watching(t)
	server, err := w.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, tt := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/metrics", 200, "qualifyd_build_info{"},
		{"GET", "/metrics", 200, "process_resident_memory_bytes"},
		{"HEAD", "/metrics", 200, ""},
		{"GET", "/healthz", 200, "ok"},
		{"GET", "/readyz", 200, `"ready":true`},
		{"GET", "/", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"POST", "/metrics", 405, "for reading only"},
		{"DELETE", "/healthz", 405, ""},
	} {
		req, err := http.NewRequest(tt.method, "http://"+server.Address+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		if err := resp.Write(&body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.code || !strings.Contains(body.String(), tt.body) {
			t.Errorf("%s %s: got %d, want %d and %q in\n%s", tt.method, tt.path, resp.StatusCode, tt.code, tt.body, body.String())
		}
		same(t, tt.path+" may be guessed to be something else", resp.Header.Get("X-Content-Type-Options"), "nosniff")
	}
	if _, err := w.Listen(server.Address); err == nil || !strings.Contains(err.Error(), "is taken by another program") {
		t.Errorf("the same address once more: got %v, want it said that it is taken", err)
	}
}

func TestTheFileIsThereAfterEachRunAndTroubleWithItIsToldOnce(t *testing.T) {
	w := watching(t)
	folder := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(folder, "qualifyd.prom")
	w.Report(file, "", nil)
	for range 3 {
		w.ran(desk.DeliverJob, nil)
	}
	same(t, "lines of trouble", strings.Count(w.log.String(), "cannot be written"), 1)
	mustMakeFolder(t, folder)
	for _, job := range jobs {
		w.ran(job, nil)
		text := mustRead(t, file)
		for _, want := range []string{fmt.Sprintf("qualifyd_runs_total{outcome=\"well\",task=%q,unit=\"qualifyd\"} ", job), "# TYPE qualifyd_outbox_owed gauge"} {
			if !strings.Contains(text, want) {
				t.Errorf("after a run of %s: got no %s in\n%s", job, want, text)
			}
		}
		if strings.Contains(text, "go_goroutines") {
			t.Error("the file has go_goroutines, which node_exporter has itself: it would refuse both")
		}
	}
	same(t, "lines of its end", strings.Count(w.log.String(), "are written again"), 1)
	same(t, "lines in all", strings.Count(w.log.String(), "\n"), 2)
	same(t, "files in the folder", len(mustList(t, folder)), 1)
}

// switchboard counts the pings that arrive, and answers with a status.
type switchboard struct {
	heard  int
	answer int
	err    error
}

func (s *switchboard) RoundTrip(r *http.Request) (*http.Response, error) {
	s.heard++
	if s.err != nil {
		return nil, s.err
	}
	answer := httptest.NewRecorder()
	answer.Code = s.answer
	answer.Header().Set("Location", "https://elsewhere.example.com/")
	resp := answer.Result()
	resp.Request = r
	return resp, nil
}

const secretURL = "https://topsecret.example.com/hunter2?token=hunter3"

// pinging is a world with a dead-man switch, in a bubble of time.
func pinging(t *testing.T, tell func(w *world, s *switchboard)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		s := &switchboard{answer: 200}
		w.Report("", secretURL, s)
		tell(w, s)
		w.Close()
		for _, secret := range []string{"topsecret", "hunter"} {
			if strings.Contains(w.log.String(), secret) {
				t.Errorf("%s of the URL is in the log:\n%s", secret, w.log)
			}
		}
	})
}

// delivers has a delivery go well (or not), and returns once a ping has arrived.
func (w *world) delivers(err error) {
	w.ran(desk.DeliverJob, err)
	synctest.Wait()
}

func TestAPingSaysThatEverythingGoesWellAndNotOnlyThatTheProcessLives(t *testing.T) {
	down := &salesforce.APIError{Op: "ask Salesforce", Kind: salesforce.Transient}
	pinging(t, func(w *world, s *switchboard) {
		w.delivers(nil)
		same(t, "pings before the first sweep and pass", s.heard, 0)
		w.ran(desk.SweepJob, nil)
		w.ran(desk.PollJob, nil)
		same(t, "pings without a delivery", s.heard, 0)
		w.delivers(nil)
		same(t, "pings once all went well", s.heard, 1)
		for range 4 {
			w.delivers(nil)
			time.Sleep(15 * time.Second)
		}
		same(t, "pings within a minute", s.heard, 1)
		w.delivers(nil)
		same(t, "pings after a minute", s.heard, 2)

		for range 24 { // four hours
			time.Sleep(10 * time.Minute)
			w.ran(desk.SweepJob, nil)
			w.ran(desk.PollJob, down)
			w.delivers(nil)
		}
		same(t, "pings while passes fail", s.heard, 2)
		w.ran(desk.PollJob, poll.ErrStretched)
		w.ran(desk.PollJob, nil)
		w.delivers(errors.New("x"))
		same(t, "pings after a delivery that failed", s.heard, 2)
		w.ran(desk.SweepJob, nil)
		w.delivers(nil)
		same(t, "pings when all is well again", s.heard, 3)

		time.Sleep(time.Hour) // nothing polls or sweeps any more
		w.delivers(nil)
		same(t, "pings when only deliveries have their turn", s.heard, 3)
	})
}

func TestTroubleWithThePingIsToldOnceAndWithoutItsURL(t *testing.T) {
	pinging(t, func(w *world, s *switchboard) {
		everyMinute := func(minutes int) {
			for range minutes {
				w.ran(desk.SweepJob, nil)
				w.ran(desk.PollJob, nil)
				w.delivers(nil)
				time.Sleep(time.Minute)
			}
		}
		s.err = errors.New("dial tcp: lookup topsecret.example.com: no such host")
		everyMinute(3)
		s.err, s.answer = nil, 404
		everyMinute(3)
		s.answer = 302
		everyMinute(3)
		same(t, "tries", s.heard, 9)
		same(t, "lines of trouble", strings.Count(w.log.String(), "does not get through"), 1)
		if !strings.Contains(w.log.String(), "lookup (its host): no such host") {
			t.Errorf("the log does not say what is wrong:\n%s", w.log)
		}
		s.answer = 204
		everyMinute(3)
		same(t, "lines of its end", strings.Count(w.log.String(), "gets through again"), 1)
		same(t, "lines in all", strings.Count(w.log.String(), "\n"), 2)
	})
}
