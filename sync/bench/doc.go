// Package bench measures what qualifyd costs: Salesforce API calls, delay, time and memory. It has tests only.
//
// `make bench` runs everything in its full size and prints a table: each line with its unit, the limit that we hold ourselves to, and how near the
// figure comes to it. The ordinary tests run the same code in a small size. They hold what it counts (calls, rows, qualifications) and never what
// it times: a busy machine is no fault.
//
// What is measured is the product as the daemon wires it, on a store in a file, against the sandbox, or against canned answers where the sandbox
// would be the slower side; a benchmark on canned answers also measures how fast they are taken when nothing is done with them.
package bench
