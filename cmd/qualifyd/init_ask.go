package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"qualifyd/rules"
)

// errGivenUp is for questions that were not answered to the end.
var errGivenUp = errors.New("the questions were not answered to the end; nothing was written")

// question is one thing to know. Its flag answers it in a script, a person at a terminal.
type question struct {
	flag      string
	text      string
	otherwise string // the answer of somebody who gives none
	optional  bool   // there may be none
	hidden    bool   // not shown while it is typed
	// check turns what was typed into the answer; nil takes anything.
	check func(string) (string, error)
}

// choice is one of the answers to choose from.
type choice struct {
	value string
	label string // what people call it; may be typed too
	note  string // may be ""
}

func (c choice) String() string {
	var about []string
	if c.label != "" && c.label != c.value {
		about = append(about, c.label)
	}
	if c.note != "" {
		about = append(about, c.note)
	}
	if len(about) == 0 {
		return printable(c.value)
	}
	return printable(c.value + "  (" + strings.Join(about, "; ") + ")")
}

// interview gets answers from the command line, and what is not there from a person, if there is one.
type interview struct {
	given    map[string]string // by flag; an answer that was wrong is taken out
	used     map[string]bool   // the flags that answered something
	keyboard *os.File          // a terminal; nil: nobody can be asked
	out      io.Writer
}

// unused names a flag that answered nothing; "" when there is none.
func (i *interview) unused() string {
	for _, flag := range slices.Sorted(maps.Keys(i.given)) {
		if !i.used[flag] {
			return flag
		}
	}
	return ""
}

// say tells the person something; a script gets only answers and errors.
func (i *interview) say(format string, args ...any) {
	if i.keyboard != nil {
		fmt.Fprintf(i.out, format+"\n", args...)
	}
}

// ask gets one answer.
func (i *interview) ask(ctx context.Context, q question) (string, error) {
	return i.answer(ctx, q, q.text, q.accept)
}

func (q question) accept(text string) (string, error) {
	if text == "" && q.optional || q.check == nil {
		return text, nil
	}
	return q.check(text)
}

// answer asks until accept takes an answer.
func (i *interview) answer(ctx context.Context, q question, prompt string, accept func(string) (string, error)) (string, error) {
	text, known, err := i.before(q)
	for err == nil {
		if !known {
			if text, err = i.prompt(ctx, q, prompt); err != nil {
				break
			}
			if text == "" && !q.optional {
				continue // nothing but Enter, where there is no usual answer
			}
		}
		answer, wrong := accept(text)
		if wrong == nil {
			return answer, nil
		}
		known, err = false, i.wrong(q, wrong)
	}
	return "", err
}

// before finds an answer without asking: the flag's, or where nobody is there the usual one.
func (i *interview) before(q question) (text string, given bool, err error) {
	if text, given := i.given[q.flag]; given {
		i.used[q.flag] = true
		return text, true, nil
	}
	switch {
	case i.keyboard != nil:
		return "", false, nil
	case q.otherwise != "" || q.optional:
		return q.otherwise, true, nil
	}
	return "", false, usageError{fmt.Errorf("--%s is missing: %s", q.flag, q.text)}
}

// wrong tells what is wrong with an answer: to the person, who is asked again, or to the script, for which it is the end.
func (i *interview) wrong(q question, err error) error {
	delete(i.given, q.flag)
	if i.keyboard == nil {
		return usageError{fmt.Errorf("--%s: %w", q.flag, err)}
	}
	i.say("  %s", printable(err.Error()))
	return nil
}

func (i *interview) prompt(ctx context.Context, q question, prompt string) (string, error) {
	if q.hidden {
		show, err := hideTyping(i.keyboard) // before the prompt is there: some type ahead, or paste
		if err != nil {
			return "", err
		}
		defer func() { show(); fmt.Fprintln(i.out) }()
	}
	usual := ""
	if q.otherwise != "" {
		usual = " [" + printable(q.otherwise) + "]"
	}
	fmt.Fprintf(i.out, "%s%s: ", prompt, usual)
	text, err := i.line(ctx)
	if err != nil {
		return "", fmt.Errorf("%w (%w)", errGivenUp, err)
	}
	if text = strings.TrimSpace(text); text == "" {
		text = q.otherwise
	}
	return text, nil
}

// few is how many choices are listed unasked; of more, people type a part of what they look for.
const few = 15

// choose gets one of the choices: typed whole, by its number in the list shown, or by a part of it that only one has. Without choices it
// takes anything.
func (i *interview) choose(ctx context.Context, q question, choices []choice) (string, error) {
	if len(choices) == 0 {
		return i.ask(ctx, q)
	}
	p := &picker{interview: i, choices: choices}
	prompt := q.text
	if _, given := i.given[q.flag]; !given && len(choices) <= few {
		p.show(choices)
	}
	if len(choices) > few {
		prompt = fmt.Sprintf("%s (one of %d; type a part of the name to search)", q.text, len(choices))
	}
	return i.answer(ctx, q, prompt, p.pick)
}

// picker finds a choice by what is typed.
type picker struct {
	*interview
	choices []choice
	shown   []choice // numbered from 1
}

func (p *picker) show(choices []choice) {
	p.shown = choices
	for n, c := range choices {
		p.say("  %2d  %s", n+1, c)
	}
}

func (p *picker) pick(text string) (string, error) {
	same := func(c choice) bool { return strings.EqualFold(c.value, text) || strings.EqualFold(c.label, text) }
	if at := slices.IndexFunc(p.choices, same); at >= 0 {
		return p.choices[at].value, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= len(p.shown) {
		return p.shown[n-1].value, nil
	}
	found := p.matching(text)
	switch {
	case p.keyboard == nil || len(found) == 0:
		if p.shown == nil && len(p.choices) <= few {
			p.show(p.choices)
		}
		return "", fmt.Errorf("there is no %q%s", text, p.near(text))
	case len(found) == 1:
		p.say("  %s", printable(found[0].value))
		return found[0].value, nil
	case len(found) > 2*few:
		return "", fmt.Errorf("%d of them have %q in them; type more of the name", len(found), text)
	}
	p.show(found)
	return "", errors.New("which of these?")
}

// matching are the choices that have a text in them.
func (p *picker) matching(text string) (found []choice) {
	folded := strings.ToLower(text)
	for _, c := range p.choices {
		if strings.Contains(strings.ToLower(c.value), folded) || strings.Contains(strings.ToLower(c.label), folded) {
			found = append(found, c)
		}
	}
	return found
}

// near says what may have been meant, or what there is.
func (p *picker) near(text string) string {
	var names []string
	for _, c := range p.choices {
		names = append(names, c.value)
	}
	if near := rules.Near(names, text); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	if len(names) > few {
		return ""
	}
	return "; there are " + strings.Join(names, ", ")
}

// confirm asks a person a question of yes or no; where nobody is there, the answer is the usual one.
func (i *interview) confirm(ctx context.Context, text, usual string) (bool, error) {
	answer, err := i.ask(ctx, question{text: text + " (yes, no)", otherwise: usual, check: func(text string) (string, error) {
		switch strings.ToLower(text) {
		case "y", "yes":
			return "yes", nil
		case "n", "no":
			return "no", nil
		}
		return "", errors.New("type yes or no")
	}})
	return answer == "yes", err
}

// line reads what a person types, up to the end of the line. It ends with ctx too; the reader then stays behind until the process ends.
func (i *interview) line(ctx context.Context) (string, error) {
	done := make(chan struct{})
	var typed string
	var failed error
	go func() {
		defer close(done)
		typed, failed = readLine(i.keyboard)
	}()
	select {
	case <-done:
		return typed, failed
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// readLine takes no more than the line from the terminal: what follows it may be the answer to a question that is asked without echo.
func readLine(in io.Reader) (string, error) {
	var line []byte
	var one [1]byte
	for {
		n, err := in.Read(one[:])
		switch {
		case n == 1 && one[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, one[0])
		case err != nil:
			return "", err
		}
	}
}
