// Package poll runs the passes: it finds out who was referred ([Poller.Sweep]), and what changed in Salesforce and what that means for
// them ([Poller.Pass]).
//
// A pass, in order:
//
//	open      whose org is it, what do describe and the config say; is there a call left to spend
//	plan      which queries there are, and from when each asks; one that is new begins before anybody is looked up
//	join      look new referrals up by code and e-mail; link, block, mark or create as the campaign's policies say
//	poll      one composite with a query per object and history, from the watermark less the overlap; every page is one transaction
//	read      by Id: what was linked anew, Contacts and Opportunities of converted Leads, survivors of merges, records under a formula rule,
//	          and, when it is due, the records of all pending referrals
//	judge     every referral about which something is new; the verdict, the owed qualification and the ledger line are one transaction
//
// What a page makes necessary later in the pass (read this record, judge that referral) is written down in the page's own transaction, so a
// crash at any point loses nothing: the next pass goes on from the marks. A referral is judged when everything that the pass could read is
// known, not page by page, so that a verdict never rests on half a conversion or half a merge.
//
// A query that fails leaves its own watermark where it is and is reported; the other queries and campaigns go on.
package poll
