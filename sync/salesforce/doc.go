// Package salesforce talks to one Salesforce org: it logs in, asks SOQL
// queries, describes objects, and creates or updates single records. It knows
// HTTP and the shapes that Salesforce sends, and nothing about referrals.
//
// [New] makes a [Client] without touching the network; the first call logs in.
// Queries are built with [Select], so that no value reaches Salesforce
// unquoted, and asked up to five at a time with [Client.Composite], which costs
// one API call. Rows come back as text by field name ([Row]).
//
// What a newcomer should know before using it:
//
//   - Every answer carries its time by Salesforce's clock ([Answer]). The local
//     clock only measures how long something took.
//   - Every failure is an [*APIError], and [KindOf] says what it means for the
//     caller. An HTML page, a cut body or a failed subrequest is always an
//     error, never "no rows".
//   - Reads are tried up to three times. Writes are not sent again unless
//     Salesforce said that it did not apply them; [UnknownOutcome] tells when
//     nobody knows, and the caller then has to look.
//   - Salesforce tells no lifetime for its tokens (no expires_in): a session is
//     used until a 401 INVALID_SESSION_ID, then renewed once.
//   - With flow [Web] a person logs in once, at a browser ([Client.Authorize]);
//     the refresh token that stays is kept in one file, which only this package
//     reads and writes, and which several processes may share. Each login reads
//     it anew.
//   - Where an answer's shape or a limit is not obvious, the comment beside it
//     names Salesforce's behaviour that it rests on.
package salesforce
