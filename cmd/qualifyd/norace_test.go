//go:build !race

package main

// mostHeld is how many bytes of memory a process may hold that is sent huge answers.
const mostHeld = 512 << 20
