package desk

import (
	"context"
	"time"

	"qualifyd/cmd/doctor"
)

// DoctorQuestion asks for a check-up of everything that keeps referrals from qualifying.
var DoctorQuestion = Question[Nothing, doctor.Report]{name: "doctor", online: true, storeless: true,
	answer: func(ctx context.Context, d *Desk, _ Asker, _ Nothing, progress Progress) (doctor.Report, error) {
		return doctor.CheckUp(ctx, doctor.Patient{
			Config: d.Config, Warnings: d.Warnings, Campaigns: d.Campaigns, Store: d.Store, NoStore: d.NoStore,
			Salesforce: d.Salesforce, ReferralFactory: d.ReferralFactory, Poll: d.Poll, Now: time.Now, OtherBaseURL: d.OtherBaseURL, Reload: d.Reload,
		}, progress), nil
	}}
