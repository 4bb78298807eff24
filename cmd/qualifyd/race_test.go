//go:build race

package main

// mostHeld is as much as the answer itself: the race detector keeps several times what the program does.
const mostHeld = huge
