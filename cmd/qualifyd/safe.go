package main

import (
	"strings"
	"unicode"
)

// printable is text of the services as it may be printed on a terminal: one line, without control characters, which could move the cursor or
// change its colour, and without those that turn the direction of writing round.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}
