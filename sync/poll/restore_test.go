package poll_test

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/poll"
	"qualifyd/sync/sandbox"
)

// Backup keeps a copy of the store.
func (w *world) Backup() (path string) {
	w.t.Helper()
	path = filepath.Join(w.t.TempDir(), "backup.db")
	if _, err := store.Keep(path, false, func(out io.Writer) error { return w.store.Backup(out) }, nil); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// Restore puts a backup in the store's place.
func (w *world) Restore(backup string) {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	if done, err := store.Restore(w.path, backup, time.Now(), nil); err != nil || !done.Since {
		w.t.Fatalf("restore: got %+v, %v", done, err)
	}
	if report, err := store.CheckFile(w.path, nil); err != nil || report.Err() != nil {
		w.t.Errorf("the restored store: got %v, %v, want it whole", err, report.Err())
	}
	w.open()
}

// An existing customer, made a Lead on the day of the sign-up and before it, is one after a restore as well: which sweeps did not show the referral yet is
// carried over.
func TestAnExistingCustomerIsOneAfterARestoreToo(t *testing.T) {
	running(t, one(fieldCampaign()), func(w *world) {
		w.After(3 * time.Hour)
		w.Passes(2)
		backup := w.Backup()
		hours := func(n int) {
			for range n {
				w.Passes(1)
				w.After(time.Hour)
			}
		}
		hours(3)
		lead := w.org.Create("Lead", sandbox.Fields{"LastName": "Ann", "Company": "Acme", "Email": "ann@example.com"})
		other := w.org.Create("Lead", sandbox.Fields{"LastName": "Bob", "Company": "Acme", "Email": "bob@example.com"})
		hours(3)
		ann := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
		w.Passes(1)
		w.WantNot(ann, rules.ExistingRecord)
		w.Restore(backup)
		bob := w.rf.Refer(101, sandbox.NewUser{FirstName: "Bob", Email: "bob@example.com"}) // comes after it
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Status(other, goodValue)
		w.Passes(2)
		w.WantNot(ann, rules.ExistingRecord)
		w.WantNot(bob, rules.ExistingRecord)
	})
}

// A Lead that we created since the backup, and somebody deleted, is not created again after a restore.
func TestWhatWasCreatedAndDeletedIsNotCreatedAgainAfterARestore(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		backup := w.Backup()
		ann := w.Refer("Ann")
		w.Passes(2)
		w.org.Delete("Lead", w.leadOf(ann))
		w.Passes(2)
		w.Restore(backup)
		w.Passes(2)
		w.WantRecords("Lead", 1) // the one that is deleted
	})
}

// A Lead that we created since the backup is its referral's after a restore, though its e-mail is another's and there is no code.
func TestWhatWasCreatedIsItsReferralsAfterARestore(t *testing.T) {
	c := creating(fieldCampaign(), rules.DoNothing)
	c.CodeField = ""
	running(t, one(c), func(w *world) {
		backup := w.Backup()
		ann := w.Refer("Ann")
		w.Passes(2)
		lead := w.org.IDs("Lead")[0]
		w.org.Update("Lead", lead, sandbox.Fields{"Email": "ann@work.example.com"})
		w.Passes(1)
		w.Restore(backup)
		w.Passes(1)
		w.Status(lead, goodValue)
		w.Passes(2)
		w.WantRecords("Lead", 1)
		w.WantOnly(ann)
	})
}

// A create whose answer is lost is under way when a backup is restored: it is not asked for again before its outcome can be known.
func TestACreateThatIsUnderWayIsSoAfterARestore(t *testing.T) {
	running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
		backup := w.Backup()
		w.Refer("Ann")
		w.org.SetFault(once(isCreate, &sandbox.Fault{Refused: true}))
		w.TryPass()
		w.org.SetFault(nil)
		w.Restore(backup)
		w.TryPass()
		w.WantRecords("Lead", 0)
		w.After(3 * time.Minute)
		w.Passes(1)
		w.WantRecords("Lead", 1)
	})
}

// A campaign that was added since the backup counts from when it did: what changed before the restore is not lost.
func TestACampaignThatIsNewSinceTheBackupCountsFromWhenItDid(t *testing.T) {
	added := fieldCampaign()
	added.EffectiveFrom = time.Time{}
	running(t, one(contactCampaign()), func(w *world) {
		backup := w.Backup()
		w.rf.AddCampaign(added.ID, "Refer a friend")
		w.Configure(func(o *poll.Options) { o.Campaigns = append(o.Campaigns, added) })
		w.Passes(1)
		ann := w.Known("Ann", added.ID)
		lead := w.Lead(ann)
		w.Passes(1)
		w.org.Track("Lead", "Status", true)
		w.Status(lead, goodValue)
		w.After(time.Minute)
		w.Restore(backup)
		w.Passes(2)
		w.WantOnly(ann)
	})
}

// A campaign's rule was another for a while since the backup, and is by now what it was then. It counts from the first pass after the restore, like any rule
// that was changed since: what counted for nobody while another rule was in force counts for nobody after the restore either.
func TestARuleThatWasAnotherForAWhileSinceTheBackupCountsFromTheRestore(t *testing.T) {
	for name, backAgain := range map[string]bool{"and has been known again": true, "and is back with the restore": false} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(1)
				backup := w.Backup()
				w.Configure(func(o *poll.Options) { o.Campaigns[0].Value = "Closed - Not Converted" })
				w.Passes(2)
				w.Status(lead, goodValue) // while it is not what the rule asks for
				w.After(time.Minute)
				w.Passes(2)
				back := func() { w.Configure(func(o *poll.Options) { o.Campaigns[0].Value = goodValue }) }
				if backAgain {
					back()
					w.Passes(2)
					w.WantNot(ann, rules.ValuePredates)
				}
				w.Restore(backup)
				if !backAgain {
					back()
				}
				w.Passes(2)
				w.WantNot(ann, rules.ValuePredates)
				w.Status(lead, "Working - Contacted")
				w.Passes(1)
				w.Status(lead, goodValue)
				w.Passes(2)
				w.WantOnly(ann)
			})
		})
	}
}

// What we wrote since the backup, into a field that another campaign's rule is about, is our own doing after a restore as well.
func TestWhatWeWroteSinceTheBackupQualifiesNobodyAfterARestore(t *testing.T) {
	for name, marked := range map[string]bool{"marked": true, "created": false} {
		t.Run(name, func(t *testing.T) {
			all := markingAndWatching()
			running(t, all, func(w *world) {
				ann := w.rf.Refer(201, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				if marked {
					w.Lead(ann, Old(), sandbox.Fields{codeField: ""})
				}
				w.Passes(2)
				backup := w.Backup()
				w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: "ann@example.com"})
				w.Passes(2)
				w.WantRecords("Lead", 1)
				w.WantOnly()
				lead := w.org.IDs("Lead")[0]
				w.org.Update("Lead", lead, sandbox.Fields{"LastName": "Miller"}) // its stamp is not that of our write any more
				w.Restore(backup)
				w.Passes(2)
				w.WantRecords("Lead", 1)
				w.WantOnly()
				w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Web"})
				w.Passes(1)
				w.org.Update("Lead", lead, sandbox.Fields{"LeadSource": "Partner Referral"}) // by a person
				w.Passes(2)
				w.WantOnly(ann)
			})
		})
	}
}

// So it is where the record was nobody's at the restore, for it had somebody else's code.
func TestWhatWeWroteIntoARecordThatIsNobodysAtARestoreStaysOurs(t *testing.T) {
	c := fillingIn(rules.CreateNew)
	running(t, one(c), func(w *world) {
		backup := w.Backup()
		ann := w.Refer("Ann")
		w.Passes(2)
		lead := w.leadOf(ann)
		w.After(26 * time.Hour)
		bob := w.Refer("Bob")
		w.Passes(2)
		w.org.Update("Lead", lead, sandbox.Fields{codeField: bob.Code})
		w.Passes(1)
		w.WantLinks(ann)
		w.Restore(backup)
		w.Passes(2)
		w.org.Update("Lead", lead, sandbox.Fields{codeField: ann.Code})
		w.Passes(2)
		w.WantLinks(ann, lead)
		w.WantOnly()
	})
}

// A value that was replaced in Setup since the backup holds its referral after a restore as well, also where somebody has edited the record since: what the
// record then shows alone looks like a person's change.
func TestAValueThatWasReplacedInSetupSinceTheBackupIsSoAfterARestore(t *testing.T) {
	for name, linkedBefore := range map[string]bool{"of a record that the backup has": true, "of one that came since": false} {
		t.Run(name, func(t *testing.T) {
			running(t, one(fieldCampaign()), func(w *world) {
				backup := w.Backup()
				ann := w.Known("Ann")
				lead := w.Lead(ann)
				w.Passes(2)
				if linkedBefore {
					backup = w.Backup()
				}
				w.After(time.Hour)
				w.org.ReplaceValue("Lead", "Status", "Open - Not Contacted", goodValue)
				w.Passes(2)
				w.WantNot(ann, rules.ValueRewritten)
				w.org.Update("Lead", lead, sandbox.Fields{"LastName": "Miller"})
				w.Passes(2)
				w.WantNot(ann, rules.ValueRewritten)
				w.Restore(backup)
				w.Passes(3)
				w.WantNot(ann, rules.ValueRewritten)
			})
		})
	}
}

// Nor is it created again for somebody who has qualified since, is set back, and resumed.
func TestWhatWasCreatedForWhoIsDecidedIsNotCreatedAgainAfterARestore(t *testing.T) {
	for name, known := range map[string]bool{"known to the backup": true, "referred since": false} {
		t.Run(name, func(t *testing.T) {
			running(t, one(creating(fieldCampaign(), rules.DoNothing)), func(w *world) {
				backup := w.Backup()
				ann := w.Refer("Ann")
				if known {
					if err := w.poller.Sweep(w.ctx); err != nil {
						t.Fatal(err)
					}
					backup = w.Backup()
				}
				w.Passes(2)
				lead := w.leadOf(ann)
				w.Status(lead, goodValue)
				w.Passes(2)
				w.WantOnly(ann)
				w.org.Delete("Lead", lead)
				w.Passes(1)
				w.Restore(backup)
				w.Passes(1)
				w.rf.SetQualified(ann.ID, false)
				w.Passes(2)
				w.Act(func(tx *store.Tx) error { return poll.Resume(tx, w.referralIn(tx, ann), byHand()) })
				w.Passes(3)
				w.WantRecords("Lead", 1) // the one that is deleted
			})
		})
	}
}

// A create whose answer is lost is under way after a restore also for somebody who was decided meanwhile: what it made is our own doing.
func TestACreateThatIsUnderWayForWhoIsDecidedQualifiesNobodyAfterARestore(t *testing.T) {
	all := markingAndWatching()
	running(t, all, func(w *world) {
		ann := w.Known("Ann", 201)
		backup := w.Backup()
		again := w.rf.Refer(101, sandbox.NewUser{FirstName: "Ann", Email: ann.Email})
		w.org.SetFault(lostAndDown(isCreate))
		w.TryPass()
		w.rf.SetQualified(again.ID, true)
		w.TryPass()
		w.org.SetFault(nil)
		w.After(10 * time.Minute)
		w.Restore(backup)
		w.Passes(3)
		w.WantRecords("Lead", 1)
		w.WantLinks(ann, w.org.IDs("Lead")[0])
		if w.putsFor(ann) > 0 {
			t.Errorf("Ann: qualified (%s), want not", w.Referral(ann).Verdict.Sentence)
		}
	})
}
