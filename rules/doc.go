// Package rules decides when a referral counts as qualified.
//
// It is given values and returns values: no clock, no I/O, no log. The words are those of the field:
//
//   - a [Referral] is a person whom somebody referred to a [Campaign] of Referral Factory;
//   - a [Record] is one Salesforce row (Lead, Contact or Opportunity) as one answer showed it;
//   - a [Snapshot] is what all answers so far have shown of a linked record: the watched values, how they changed,
//     and the history rows Salesforce keeps of them. [Snapshot.Observe] adds one more answer to it;
//   - a [Link] says why a record is a referral's; [Owner] and [Campaign.Admit] decide that, [Campaign.Join] what to do
//     when a referral is new;
//   - [Judge] looks at a referral, its links and their snapshots, and returns a [Verdict]: qualified, held or not, with a
//     reason code, a sentence and the evidence.
//   - [Observed] tells everything that was seen of the records on the way there, with what counts and why the rest does not.
//
// Judging is a function of what is known, not of the order in which it became known: judging again, after a crash or by an
// operator's wish, gives the same verdict. All times are the services' own (Date headers and record stamps).
package rules
