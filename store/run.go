package store

import "time"

// Run is how one of the daemon's jobs last went. Its times are this machine's: they are for people, and decide nothing.
type Run struct {
	Job     string
	Begun   time.Time
	Ended   time.Time
	Well    time.Time // when it last ended well
	Trouble string    // what went wrong in the newest run; "" when nothing did
	Since   time.Time // when the trouble began
	Refused bool      // the trouble is refused credentials
}

// Run returns how a job last went; a Run with nothing but its name for one that never ran.
func (tx *Tx) Run(job string) (Run, error) {
	r, _, err := get[Run](tx, runBucket, []byte(job))
	r.Job = job
	return r, err
}

// PutRun remembers how a job went.
func (tx *Tx) PutRun(r Run) error { return tx.put(runBucket, []byte(r.Job), r) }
