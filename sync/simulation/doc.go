// Package simulation is tests only: the whole system in one process, through random histories of an org, against an independent model of what
// must come of them.
//
// A seed is a history. It makes a Salesforce org and a Referral Factory account (sync/sandbox), some campaigns, a store file, and the three jobs
// that the daemon runs. Days go by: people in both services do what people do, the jobs run, operators give orders, requests go wrong, and the
// process dies, at a request or between two commits of the store. Then all goes well for a while, and the model says of every referral whether it
// must, may or must not have been qualified. Referral Factory's own book says who was, and how often.
//
// The model knows the whole truth, which is what the driver has done, and nothing of what qualifyd knows. Where a fault leaves open what a pass
// has seen it keeps both possibilities, so that there are people who may qualify and need not; a run counts them.
//
// A seed always gives the same history. Time is of two kinds: the services' clock moves only by the driver's hand; the machine's is that of a
// testing/synctest bubble. Every request waits until the driver lets it go, one at a time, so it is the seed that decides how jobs which run at
// the same time interleave, and what happens in the services between two requests.
//
//	life_test.go        a world: services, store, jobs, clock; starting and ending the process; setup_test.go its org, account and config
//	wire_test.go        requests, one at a time, and what becomes of them
//	disk_test.go        what is in the store's file after each commit
//	invariants_test.go  what holds of the store after every commit, whatever comes next
//	recording_test.go   in which order the file was written and synced; syscalls_linux_test.go holds that against the kernel's calls
//	image_test.go       what a power cut may leave of it; images_test.go opens each and looks what it holds
//	acts_test.go        what people do, changes_test.go too; orders_test.go what operators order, restore_test.go how they put a backup in place
//	config_test.go      what admins change in the config: rules, which campaigns it has, the key
//	truth_test.go       the record of all that was done
//	model_test.go       who must, may or must not be qualified; links_test.go whose a record is, proof_test.go what is proved by it
//	controls_test.go    what has to be found once a guard of the code is taken out
//	book_test.go        what Referral Factory's book shows, held against the model after every run; end_test.go the same at the end
//	story_test.go       what is printed of a failure
//
// `go test ./sync/simulation -run Random -seed N` tells the whole story of a seed, `make torture` goes on until one fails. `go test ./sync/simulation
// -run APowerCut -seed N -commit C` goes through the images of one commit, `make images` through a million. Not in it are: the schedule (its
// jitter has dice of its own), changes of the config other than of rules, campaigns and the key, brakes other than that what they held is released at the end,
// and a service whose clock is wrong by more than seconds.
package simulation
