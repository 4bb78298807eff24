package desk

// All are the questions that a desk answers.
func All() []Asked {
	return []Asked{
		StatusQuestion, OverviewQuestion, PollQuestion, ExplainQuestion, ReferralsQuestion,
		QualifyQuestion, UnqualifyQuestion, ResumeQuestion, ReleaseQuestion,
		PinQuestion, ImportQuestion, ImportByEmailQuestion, JoinPreviewQuestion, JoinQuestion, RejudgeQuestion,
		OutboxQuestion, RetryQuestion, DropQuestion,
		CheckQuestion, VerifyQuestion, DoctorQuestion, FieldsQuestion, ValuesQuestion, StagesQuestion, CampaignsQuestion,
	}
}

// Find finds a question by its name; nil where there is none.
func Find(name string) Asked {
	for _, q := range All() {
		if q.Name() == name {
			return q
		}
	}
	return nil
}
