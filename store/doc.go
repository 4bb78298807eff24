// Package store remembers, in one bbolt file: how far each Salesforce query was polled, every referral of the configured
// campaigns, what has been seen of their records, which qualifications are still owed, and a ledger of what was done.
//
// [Open] takes the file, [Store.View] and [Store.Update] run a function in a transaction, and [Tx] has a typed method for each thing
// that is remembered. An Update is all or nothing: after a crash either everything in it is there or none of it. Values that a Tx
// returns are copies and outlive it. Nothing outside this package knows bbolt.
//
// The buckets, with their keys and values (JSON unless said otherwise; value.go has how referrals and snapshots are written):
//
//	meta             schema          version of this layout, plain text
//	                 org             the Salesforce org and Referral Factory account the store belongs to
//	                 sweeps          number of sweeps begun
//	                 lastpass        LastPass: when the newest pass last asked, and what it cost
//	                 at_rest         true since a process that polled and delivered closed it, false while one does
//	campaign         campaign id     Campaign: rule known, effective, sweeps, brake window
//	referral         referral id     rules.Referral, not JSON
//	referral_code    code            referral id
//	referral_email   e-mail NUL id   nothing; e-mails trimmed and folded
//	record_referral  record Id NUL id  nothing; which referrals link a record
//	snapshot         record Id       rules.Snapshot, not JSON; of linked records, and of those into which we wrote
//	toread           record Id       Reading: to be read by Id, and whose it then may be
//	tojoin           referral id     nothing; to be looked up in Salesforce
//	tojudge          referral id     nothing; something about it changed
//	held             referral id     reason
//	intent           referral id     Intent: a create or mark that was begun
//	outbox           referral id     Debt: what is owed to Referral Factory about it
//	ledger           number          Entry, chained by hash; append-only
//	ledger_of        referral id number  nothing; which entries are about a referral
//	watermark        query name      Watermark
//	describe         object          what describe said, and when
//	calls            hour            number of Salesforce API calls begun in that hour of service time
//	run              job             Run: how it last went
//
// Referral ids and ledger numbers are 8 bytes, big-endian, so that they sort.
package store
