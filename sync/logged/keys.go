// Package logged has the keys of the log's fields, all of them, so that a key means the same wherever it is met. The log's lines beside them
// have constant messages, for those who filter by them; what varies is in a field.
//
// A line at info or above never has a secret or an e-mail address. It tells of what a person may want to know: when trouble begins and when it
// ends, what was decided, what waits for somebody. A daemon that is well and has nothing to do logs nothing.
package logged

// The keys, and what the values are. Besides these each line has time, level and message, and error where something failed.
const (
	Address    = "address"     // where metrics and health are served
	Answer     = "answer"      // what Referral Factory said
	By         = "by"          // who asked or ordered: a user of the machine
	Campaign   = "campaign"    // a campaign's number at Referral Factory
	Campaigns  = "campaigns"   // how many there are in the config
	Config     = "config"      // the config's path
	Done       = "done"        // of long work, so many
	Event      = "event"       // when what qualifies happened, by Salesforce's clock
	Fields     = "fields"      // API names
	Flow       = "flow"        // of the login
	Held       = "held"        // how many wait for a person
	Instance   = "instance"    // the host that serves the org
	Job        = "job"         // sweep, poll or deliver
	Key        = "key"         // of the config
	Keys       = "keys"        // of the config
	Method     = "method"      // of a request
	Now        = "now"         // by the service's clock
	Object     = "object"      // an API name
	Of         = "of"          // of long work, how much there is
	Op         = "op"          // what was asked of Salesforce
	Owed       = "owed"        // how many qualifications
	Page       = "page"        // of the console: its address or its name
	PageNumber = "page_number" // of an answer
	Panic      = "panic"       // what the program said
	Path       = "path"        // of a request
	Pending    = "pending"     // how many referrals
	Poll       = "poll"        // the schedule
	Problems   = "problems"    // of the config, a line each
	Query      = "query"       // its name
	Question   = "question"    // on the control socket
	Reason     = "reason"      // a code, as in explain
	Record     = "record"      // a Salesforce Id
	Referral   = "referral"    // the user's number at Referral Factory
	Referrals  = "referrals"   // their numbers
	Rounds     = "rounds"      // of reading
	Socket     = "socket"      // its path
	Stack      = "stack"       // of a panic
	Standing   = "standing"    // of a referral, as in explain
	Status     = "status"      // of an HTTP answer
	Stream     = "stream"      // on the control socket
	Sweep      = "sweep"       // the schedule
	Took       = "took"        // how long
	Trouble    = "trouble"     // how long it lasted
	Try        = "try"         // which one
	Unread     = "unread"      // how many users
	Unqualify  = "unqualify"   // whether the order is to set somebody back
	Warning    = "warning"     // about the config
	Watermark  = "watermark"   // by the service's clock
	Why        = "why"         // in words
	Work       = "work"        // that takes long
)
