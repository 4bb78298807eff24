package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// token is a word of a query, with the place it starts at.
type token struct {
	kind tokenKind
	text string // of a string, without quotes and escapes
	pos  int
}

type tokenKind int

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a name, keyword or date literal
	tokenNumber           // a number, date or datetime
	tokenString
	tokenSymbol
)

func (t token) is(keyword string) bool {
	return (t.kind == tokenWord || t.kind == tokenSymbol) && strings.EqualFold(t.text, keyword)
}

// lex splits a query into its tokens; the last is a tokenEnd.
func lex(q string) ([]token, *apiError) {
	var tokens []token
	for i := 0; i < len(q); {
		c := q[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			t, next, err := lexString(q, i)
			if err != nil {
				return nil, err
			}
			tokens, i = append(tokens, t), next
		case letter(c):
			j := i
			for j < len(q) && (letter(q[j]) || digit(q[j]) || q[j] == '.' || q[j] == ':' && j+1 < len(q) && digit(q[j+1])) {
				j++
			}
			tokens, i = append(tokens, token{tokenWord, q[i:j], i}), j
		case digit(c) || (c == '-' || c == '+') && i+1 < len(q) && digit(q[i+1]):
			j := i + 1
			for j < len(q) && (letter(q[j]) || digit(q[j]) || strings.IndexByte(".:+-", q[j]) >= 0) {
				j++
			}
			tokens, i = append(tokens, token{tokenNumber, q[i:j], i}), j
		default:
			j := i + 1
			if j < len(q) && slices.Contains([]string{"!=", "<=", ">=", "<>"}, q[i:j+1]) {
				j++
			}
			if c == '!' && j == i+1 || !strings.Contains("(),=!<>", q[i:i+1]) {
				return nil, complain(q, i, "MALFORMED_QUERY", fmt.Sprintf("unexpected token: '%s'", q[i:j]))
			}
			tokens, i = append(tokens, token{tokenSymbol, q[i:j], i}), j
		}
	}
	return append(tokens, token{kind: tokenEnd, text: "<EOF>", pos: len(q)}), nil
}

func lexString(q string, start int) (token, int, *apiError) {
	var b strings.Builder
	for i := start + 1; i < len(q); i++ {
		switch q[i] {
		case '\'':
			return token{tokenString, b.String(), start}, i + 1, nil
		case '\\':
			i++
			if i == len(q) {
				break
			}
			at := strings.IndexByte(`nrtbf"'\_%`, q[i])
			if at < 0 {
				return token{}, 0, complain(q, i-1, "MALFORMED_QUERY", fmt.Sprintf("Illegal string literal: invalid string literal '\\%c'. Illegal character sequence '\\%c' in string literal.", q[i], q[i]))
			}
			// \_ and \% keep their backslash: LIKE reads it.
			b.WriteString([]string{"\n", "\r", "\t", "\b", "\f", `"`, "'", `\`, `\_`, `\%`}[at])
		default:
			b.WriteByte(q[i])
		}
	}
	return token{}, 0, complain(q, start, "MALFORMED_QUERY", "line 1:"+fmt.Sprint(len(q))+" mismatched character '<EOF>' expecting '''")
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// complain is a query error as Salesforce shows it: a piece of the query with
// a caret below the place, then row and column.
func complain(q string, pos int, code, message string) *apiError {
	const around = 32
	from := max(0, pos-around)
	to := min(len(q), pos+around)
	return failure(400, code, "\n%s\n%s^\nERROR at Row:1:Column:%d\n%s", q[from:to], strings.Repeat(" ", pos-from), pos+1, message)
}
