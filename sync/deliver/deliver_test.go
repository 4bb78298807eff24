package deliver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/deliver"
	"qualifyd/sync/poll"
	"qualifyd/sync/referralfactory"
	"qualifyd/sync/sandbox"
)

func TestTheIntentIsOnDiskWhenTheRequestArrives(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.before = func(r *http.Request) {
			want := store.Debt{Referral: id, Campaign: campaign, Since: w.debt().Since}
			if r.Method == http.MethodPut {
				want.SentAt, want.Attempts = time.Now(), 1
			}
			same(t, "debt at the "+r.Method, w.debt(), want)
			same(t, "standing at the "+r.Method, w.referral(id).Standing, rules.Owed)
		}
		same(t, "run", w.run(), error(nil))
		same(t, "requests", w.requests, []string{get(id), "PUT"})
		w.deliveredOnce("after it", id)
		var length uint64
		w.view(func(tx *store.Tx) error { length = tx.LedgerLength(); return nil })
		same(t, "answered at", w.referral(id).AnsweredAt, length)
		same(t, "verdict", w.referral(id).Verdict.Reason, rules.QualifiedByRule)
		same(t, "run with nothing owed", w.run(), error(nil))
		same(t, "requests", len(w.requests), 2)
	})
}

// answers are what may come back from a PUT, and what is known then: done, refused, open (it may have had its effect), or trouble (it
// had none).
var answers = []struct {
	what     string
	fault    sandbox.Fault
	want     string
	standing rules.Standing
	puts     int // until it is settled, once the service is well
}{
	{"none, and it was applied", sandbox.Fault{Lost: true}, "open", rules.Owed, 1},
	{"none, and it never arrived", sandbox.Fault{Refused: true}, "open", rules.Owed, 2},
	{"none in time, and it was applied", sandbox.Fault{Delay: time.Minute}, "open", rules.Owed, 1},
	{"cut", sandbox.Fault{Cut: 10}, "open", rules.Owed, 1},
	{"no gzip", sandbox.Fault{FalseGzip: true}, "open", rules.Owed, 1},
	{"without a date", sandbox.Fault{NoDate: true}, "open", rules.Owed, 1},
	{"empty", sandbox.Fault{Empty: true}, "done", rules.Delivered, 1},
	{"about something else", sandbox.Fault{Status: 200, Body: `{"message":"accepted"}`}, "open", rules.Owed, 2},
	{"about somebody else", sandbox.Fault{Status: 200, Body: `{"data":{"id":7,"qualified_at":"2000-01-01"}}`}, "open", rules.Owed, 2},
	{"a web page", *sandbox.HTML(200), "open", rules.Owed, 2},
	{"a web page with 503", *sandbox.HTML(503), "open", rules.Owed, 2},
	{"a web page with 404", *sandbox.HTML(404), "open", rules.Owed, 2},
	{"408", sandbox.Fault{Status: 408}, "open", rules.Owed, 2},
	{"500", sandbox.Fault{Status: 500, Body: `{"message":"Server Error"}`}, "open", rules.Owed, 2},
	{"502", sandbox.Fault{Status: 502}, "open", rules.Owed, 2},
	{"a redirect", sandbox.Fault{Status: 302, Header: http.Header{"Location": {"https://elsewhere/"}}}, "open", rules.Owed, 2},
	{"429", sandbox.Fault{Status: 429, Header: http.Header{"Retry-After": {"20"}}}, "trouble", rules.Owed, 2},
	{"401", sandbox.Fault{Status: 401, Body: `{"message":"Unauthenticated."}`}, "refused", rules.Owed, 2},
	{"403", sandbox.Fault{Status: 403, Body: `{"message":"ann@example.com is no administrator"}`}, "refused", rules.Owed, 2},
	{"404", sandbox.Fault{Status: 404, Body: `{"message":"User not found"}`}, "trouble", rules.Owed, 2},
	{"410", sandbox.Fault{Status: 410}, "trouble", rules.Owed, 2},
	{"400", sandbox.Fault{Status: 400}, "done", rules.Rejected, 1},
	{"422", sandbox.Fault{Status: 422, Body: `{"message":"Validation errors","errors":{"id":["ann@example.com cannot be qualified"]}}`}, "done", rules.Rejected, 1},
}

func TestWhatBecomesOfAnAnswer(t *testing.T) {
	for _, test := range answers {
		t.Run(test.what, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				id := w.owe()
				w.faultOnPut(&test.fault)
				same(t, "run", kind(w.run()), test.want)
				same(t, "standing", w.referral(id).Standing, test.standing)
				same(t, "requests to qualify", w.puts(), 1)
				if test.standing == rules.Owed {
					same(t, "may have had its effect", !w.debt().SentAt.IsZero(), test.want == "open")
					same(t, "attempts", w.debt().Attempts, 1)
				}
				w.faultOnPut(nil)
				w.settled()
				same(t, "requests to qualify until it is settled", w.puts(), test.puts)
				if test.standing == rules.Rejected {
					w.isRejected(id)
					return
				}
				w.deliveredOnce("settled", id)
			})
		})
	}
}

// isRejected checks that a referral is parked with the service's words, and nobody's e-mail.
func (w *world) isRejected(id int64) {
	w.t.Helper()
	r := w.referral(id)
	same(w.t, "standing", r.Standing, rules.Rejected)
	same(w.t, "reason", r.Verdict.Reason, rules.RejectedByService)
	same(w.t, "outcome", r.Verdict.Outcome, rules.Not)
	if s := r.Verdict.Sentence; !strings.HasPrefix(s, "Referral Factory refuses the qualification: ") || strings.Contains(s, "@") {
		w.t.Errorf("sentence: got %q, want the service's words without an e-mail", s)
	}
	same(w.t, "ledger", w.acts(id), []store.Act{store.ActRejected})
	same(w.t, "debts", len(w.debts()), 0)
	same(w.t, "effects", len(w.rf.Qualifications()), 0)
}

func TestALostAnswerIsReadBackAndNotSentAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.faultOnPut(&sandbox.Fault{Lost: true})
		same(t, "run", kind(w.run()), "open")
		if trouble := w.debt().Trouble; trouble == "" {
			t.Errorf("trouble: got %q, want what happened", trouble)
		}
		same(t, "next run", w.run(), error(nil))
		same(t, "requests", w.requests, []string{get(id), "PUT", get(id)})
		w.deliveredOnce("read back", id)
	})
}

func TestALostRequestIsSentAgainOnceAfterTwoMinutes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.faultOnPut(&sandbox.Fault{Refused: true})
		same(t, "run", kind(w.run()), "open")
		w.faultOnPut(nil)
		sent := time.Now()
		for time.Since(sent) < deliver.ResendAfter {
			same(t, fmt.Sprint("run after ", time.Since(sent)), kind(w.run()), "open")
			same(t, fmt.Sprint("requests to qualify after ", time.Since(sent)), w.puts(), 1)
			time.Sleep(10 * time.Second)
		}
		same(t, "run after two minutes", w.run(), error(nil))
		same(t, "requests to qualify", w.puts(), 2)
		w.deliveredOnce("sent again", id)
	})
}

// Each unknown outcome starts the two minutes anew: the newest request may be the slow one.
func TestTwoMinutesPassAfterEachRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.faultOnPut(&sandbox.Fault{Refused: true})
		var sent []time.Duration
		begun := time.Now()
		for time.Since(begun) < 7*time.Minute {
			before := w.puts()
			w.run()
			if w.puts() > before {
				sent = append(sent, time.Since(begun))
			}
			time.Sleep(5 * time.Second)
		}
		same(t, "sent after", sent, []time.Duration{0, 2 * time.Minute, 4 * time.Minute, 6 * time.Minute})
		same(t, "attempts", w.debt().Attempts, 4)
		w.faultOnPut(nil)
		w.settled()
		w.deliveredOnce("settled", id)
	})
}

// The Date of an answer is of its end at the service, and the way back may take as long as any. It must not shorten the two minutes.
func TestASlowWayBackDoesNotShortenTheTwoMinutes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		var sent []time.Time
		w.before = func(r *http.Request) {
			if r.Method == http.MethodPut {
				sent = append(sent, time.Now())
			}
		}
		w.after = func(r *http.Request) {
			if len(w.requests) == 1 {
				time.Sleep(25 * time.Second)
			}
		}
		w.faultOnPut(&sandbox.Fault{Refused: true})
		for len(sent) < 2 {
			w.run()
			time.Sleep(time.Second)
		}
		if gap := sent[1].Sub(sent[0]); gap < deliver.ResendAfter {
			t.Errorf("sent again after %v, want two minutes at least", gap)
		}
	})
}

// Nobody knows when within its half minute a request that was not answered left.
func TestTheTwoMinutesBeginWhenTheRequestWasGivenUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		w.faultOnPut(&sandbox.Fault{Status: 500, Delay: 20 * time.Second})
		w.run()
		same(t, "may have been sent until", w.debt().SentAt, time.Now().UTC())
		same(t, "run", kind(w.run()), "open")
		time.Sleep(deliver.ResendAfter - time.Second)
		w.run()
		same(t, "requests to qualify before the two minutes", w.puts(), 1)
		time.Sleep(time.Second)
		w.run()
		same(t, "requests to qualify after them", w.puts(), 2)
	})
}

// What a read shows is as old as its beginning: the request may have had its effect before the answer came.
// The read before the request told a time that was a year ahead, as a server or a proxy with a wrong clock does. Nobody waits for a year, nor less than two
// minutes.
func TestARequestThatWasSentAtAWrongTimeIsSettled(t *testing.T) {
	for _, back := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ahead := 365 * 24 * time.Hour
			rf := sandbox.NewReferralFactory(func() time.Time { return time.Now().Add(ahead) })
			rf.AddCampaign(campaign, "Refer a friend")
			s, err := store.Create(filepath.Join(t.TempDir(), "qualifyd.db"))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, rf, s)
			id := w.owe()
			w.faultOnPut(&sandbox.Fault{Refused: true})
			same(t, "run", kind(w.run()), "open")
			if back {
				w.must(id, poll.Unqualify)
			}
			w.faultOnPut(nil)
			ahead = 0
			same(t, "run by the true time", kind(w.run()), "open")
			time.Sleep(deliver.ResendAfter - 2*time.Second)
			same(t, "run within the two minutes", kind(w.run()), "open")
			w.settled()
			if back {
				same(t, "standing", w.referral(id).Standing, rules.Overridden)
				return
			}
			w.deliveredOnce("settled", id)
		})
	}
}

func TestAReadThatTakesItsTimeDoesNotProveThatNothingWasSent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		w.faultOnPut(&sandbox.Fault{Status: 500})
		same(t, "run", kind(w.run()), "open")
		time.Sleep(deliver.ResendAfter - 15*time.Second)
		slow := true
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			if r.Method == http.MethodGet && slow {
				slow = false
				return &sandbox.Fault{Delay: 20 * time.Second}
			}
			return nil
		})
		same(t, "run with a slow read", kind(w.run()), "open")
		same(t, "requests to qualify", w.puts(), 1)
	})
}

func TestATakenQualificationThatDoesNotShowIsOpen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.faultOnPut(&sandbox.Fault{Status: 204})
		err := w.run()
		same(t, "run", kind(err), "open")
		same(t, "requests", w.requests, []string{get(id), "PUT", get(id)})
		same(t, "standing", w.referral(id).Standing, rules.Owed)
	})
}

func TestAnUnreadableConfirmationIsOpen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			switch {
			case r.Method == http.MethodPut:
				return &sandbox.Fault{Empty: true}
			case w.puts() > 0:
				return &sandbox.Fault{Status: 500}
			}
			return nil
		})
		same(t, "run", kind(w.run()), "open")
		w.rf.SetFault(nil)
		w.settled()
		same(t, "requests to qualify", w.puts(), 1)
		w.deliveredOnce("read back later", id)
	})
}

func TestSomebodyWasFaster(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.rf.SetQualified(id, true)
		same(t, "run", w.run(), error(nil))
		same(t, "requests", w.requests, []string{get(id)})
		r := w.referral(id)
		same(t, "standing", r.Standing, rules.Elsewhere)
		same(t, "reason", r.Verdict.Reason, rules.QualifiedElsewhere)
		same(t, "qualified on", r.QualifiedOn, "2000-01-01")
		same(t, "ledger", w.acts(id), []store.Act{store.ActElsewhere})
		same(t, "debts", len(w.debts()), 0)
	})
}

func TestTheUserIsGone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.rf.Remove(id)
		same(t, "run", w.run(), error(nil))
		same(t, "requests", w.requests, []string{get(id), "GET /api/v2/users"}) // somebody is there: it is not the address that is wrong
		w.isRejected(id)
	})
}

// Between the read and the request the user goes: the request alone does not tell that from a service that is put in place anew, the next read does.
func TestTheUserGoesBeforeTheRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			if r.Method == http.MethodPut {
				w.rf.Remove(id)
			}
			return nil
		})
		same(t, "run", kind(w.run()), "trouble")
		same(t, "standing", w.referral(id).Standing, rules.Owed)
		w.settled()
		same(t, "requests to qualify", w.puts(), 1)
		w.isRejected(id)
	})
}

// A service that shows nobody at all, as one that has just come back without its data, does not say that somebody is gone.
func TestNobodyIsGoneWhereNobodyIsThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			if strings.HasSuffix(r.URL.Path, "/users") {
				return &sandbox.Fault{Status: http.StatusOK, Body: `{"data":[],"links":{"next":null},"meta":{"current_page":1,"last_page":1,"total":0}}`}
			}
			return &sandbox.Fault{Status: http.StatusNotFound, Body: `{"message":"User not found"}`}
		})
		same(t, "run", kind(w.run()), "trouble")
		same(t, "standing", w.referral(id).Standing, rules.Owed)
		w.rf.SetFault(nil)
		w.settled()
		w.deliveredOnce("once they are there again", id)
	})
}

// Whoever is another campaign's by now is not qualified there by a rule of this one. Setting somebody back pays nobody.
func TestWhoIsInAnotherCampaignByNowIsNotQualified(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.rf.SetFault(func(r *http.Request) *sandbox.Fault {
			if r.Method != http.MethodGet {
				return nil
			}
			return &sandbox.Fault{Status: http.StatusOK, Body: fmt.Sprintf(`{"data":{"id":%d,"campaign_id":%d,"qualified_at":null}}`, id, campaign+1)}
		})
		same(t, "run", w.run(), error(nil))
		same(t, "requests", w.requests, []string{get(id)})
		w.isRejected(id)
	})
}

func TestAPreviewTellsAndSendsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id, fast := w.owe(), w.owe()
		w.rf.SetQualified(fast, true)
		var told []int64
		w.deliverer.Preview = func(r rules.Referral) { told = append(told, r.ID) }
		same(t, "run", w.run(), error(nil))
		same(t, "told", told, []int64{id})
		same(t, "requests", w.requests, []string{get(id), get(fast)})
		same(t, "debt", w.debt().Referral, id)
	})
}

// With another account's key the users would be somebody else's.
func TestNothingIsSentUntilTheAccountIsKnown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		known, trouble := false, error(nil)
		w.deliverer.Ready = func() (bool, error) { return known, trouble }
		same(t, "run", w.run(), error(nil))
		trouble = deliver.ErrStore
		same(t, "run when it cannot be told", kind(w.run()), "store")
		same(t, "requests", w.requests, []string(nil))
		same(t, "debt", w.debt().Referral, id)

		known, trouble = true, nil
		w.settled()
		w.deliveredOnce("once it is known", id)
	})
}

// What was owed when send_from_sandbox was taken away, or before the org became a sandbox, stays owed.
func TestNothingIsSentFromASandbox(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.update(func(tx *store.Tx) error { return tx.SetOwner(store.Owner{Sandbox: true}) })
		same(t, "run", w.run(), error(nil))
		same(t, "requests", w.requests, []string(nil))
		same(t, "debt", w.debt().Referral, id)

		w.deliverer.SendFromSandbox = true
		w.settled()
		w.deliveredOnce("once it may be sent", id)
	})
}

func TestAStoreThatFailsSendsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id, other := w.owe(), w.owe()
		w.after = func(*http.Request) { w.store.Close() }
		err := w.run()
		same(t, "run", kind(err), "store")
		same(t, "the error is about the other, too", strings.Contains(err.Error(), fmt.Sprint(other)), false)
		same(t, "requests", w.requests, []string{get(id)})
	})
}

func TestAReservationThatCannotBeStoredSendsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.owe()
		w.connect(1) // the second call is made a minute after the first
		w.after = func(*http.Request) { time.AfterFunc(time.Second, func() { w.store.Close() }) }
		same(t, "run", kind(w.run()), "store")
		same(t, "requests to qualify", w.puts(), 0)
	})
}

func TestAStopDuringTheRequestLeavesItOpenAndTriesNoOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id, other := w.owe(), w.owe()
		w.faultOnPut(&sandbox.Fault{Delay: 10 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := w.deliverer.Run(ctx, false)
		same(t, "run", kind(err), "open")
		same(t, "the error is about the other, too", strings.Contains(err.Error(), fmt.Sprint(other)), false)
		same(t, "requests", w.requests, []string{get(id), "PUT"})
		w.faultOnPut(nil)
		w.settled()
		same(t, "requests to qualify", w.puts(), 2)
		w.deliveredOnce("stopped", id)
		w.deliveredOnce("other", other)
	})
}

func TestErrorsNameTheReferral(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.faultOnPut(&sandbox.Fault{Status: 500})
		err := w.run()
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("deliver referral %d: ", id)) {
			t.Errorf("got %v, want the referral's id", err)
		}
		var unavailable *referralfactory.Unavailable
		same(t, "the cause is there", errors.As(err, &unavailable), true)
	})
}

// One deliverer after another, as after restarts: back-off is not stored, reservations are.
func TestANewDelivererKeepsToTheReservation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.faultOnPut(&sandbox.Fault{Refused: true})
		w.run()
		w.faultOnPut(nil)
		w.restart()
		same(t, "at once", kind(w.deliverer.Run(t.Context(), true)), "open")
		same(t, "requests", w.requests, []string{get(id), "PUT", get(id)})
	})
}

// A run that is stopped while a request waits for its turn has sent nothing, and that is no trouble of the entry's: outbox list would tell of it for as long as
// the daemon is stopped.
func TestToBeStoppedBeforeTheSendingIsNoTrouble(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.owe()
		w.connect(1)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := w.deliverer.Run(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that it was stopped", err)
		}
		same(t, "debt", w.debt(), store.Debt{Referral: id, Campaign: campaign, Since: w.debt().Since})
		w.settled()
		same(t, "requests to qualify", w.puts(), 1)
		w.deliveredOnce("later", id)
	})
}

// In a sandbox org what is owed by an order stays. The log says so when there is more or less of it, and not at each look into the outbox.
func TestWhatIsKeptInASandboxIsToldOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.update(func(tx *store.Tx) error { return tx.SetOwner(store.Owner{OrgID: "00D", Sandbox: true}) })
		w.deliverer = deliver.New(deliver.Options{Store: w.store, ReferralFactory: w.client, Log: zerolog.New(&log)})
		same(t, "run with nothing owed", w.run(), error(nil))
		for range 3 {
			w.owe()
			for range 100 {
				same(t, "run", w.run(), error(nil))
			}
		}
		same(t, "lines of the log", strings.Count(log.String(), "what is owed is kept"), 3)
		same(t, "requests", len(w.requests), 0)
	})
}
