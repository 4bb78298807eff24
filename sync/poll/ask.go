package poll

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
)

// queriesACall is how many queries Salesforce takes in one composite, which costs one API call.
const queriesACall = 5

// question is a query with what to do with its answer.
type question struct {
	name   string       // what failed is noted by it
	from   string       // the Salesforce object that is queried
	object rules.Object // whose describe decides which columns there are
	// soql builds the query; it is built anew when a column turned out to be gone.
	soql func() salesforce.Soql
	// page takes a page of the answer within the transaction that is the page's; last is set for the last one.
	page func(tx *store.Tx, rows []salesforce.Row, a salesforce.Answer, last bool) error
	// tooLong is asked, where it is set, whether an answer of so many rows should be left alone; nothing of it is taken then.
	tooLong func(rows int) bool
	// leave is called, where it is set, when the answer is left alone for its length, or Salesforce takes too long to give it.
	leave func(a salesforce.Answer)
	// halves are, where set, questions that ask for the same with less each: half the values, or one field of several; nil when there is but one
	// value.
	halves func() []question
	// several is set when it asks by several fields at once. One that Salesforce does not answer is asked again by its halves, field by field: it
	// says which field failed.
	several bool
	// fails is called, where it is set, when the question was not answered to its end.
	fails func()
	// without is called, where it is set, when Salesforce takes too long to give the answer: it can be done without for now.
	without func()
	// gone is called, where it is set, when the org has no such object.
	gone func() error
}

// ask puts questions to Salesforce, five to a call, and hands each its answer page by page. Answers are taken in the order of the questions;
// the first pages of one call share a transaction. A question that fails is noted in t.failed and reported; the others go on.
func (t *pass) ask(ctx context.Context, questions []question) error {
	return t.askAll(ctx, questions, true)
}

// askAll is ask; again allows one repetition of those whose columns, or whose object, turned out to be gone.
func (t *pass) askAll(ctx context.Context, questions []question, again bool) error {
	for len(questions) > 0 {
		var some []question
		some, questions = t.nextCall(questions)
		if err := t.askCall(ctx, some, again); err != nil {
			return err
		}
	}
	return nil
}

// nextCall takes the questions of the next call off those that wait. One that is too long to be sent is taken for its halves.
func (t *pass) nextCall(waiting []question) (some, rest []question) {
	for len(waiting) > 0 && len(some) < queriesACall {
		q := waiting[0]
		waiting = waiting[1:]
		if t.splits(q) {
			waiting = append(q.halves(), waiting...)
		} else {
			some = append(some, q)
		}
	}
	return some, waiting
}

// splits tells whether a question is too long to be sent and can be asked by its halves.
func (t *pass) splits(q question) bool {
	return q.halfway() != nil && !t.Salesforce.Fits(q.soql())
}

// askCall asks at most five questions in one call.
func (t *pass) askCall(ctx context.Context, questions []question, again bool) error {
	var queries []salesforce.Query
	for i, q := range questions {
		queries = append(queries, salesforce.Query{Name: fmt.Sprintf("%s_%d", q.from, i), SOQL: q.soql()})
	}
	answer, results, err := t.Salesforce.Composite(ctx, queries)
	t.heard(answer)
	switch {
	case errors.Is(err, salesforce.ErrTooLong) && slices.ContainsFunc(questions, t.splits):
		return t.askAll(ctx, questions, again)
	case err != nil && salesforce.KindOf(err) == salesforce.Narrow && len(questions) > 1:
		for _, q := range questions {
			if err := t.askCall(ctx, []question{q}, again); err != nil {
				return err
			}
		}
		return nil
	case err != nil:
		return t.failAll(ctx, err, answer, questions)
	}
	if err := t.takeFirstPages(questions, results, answer); err != nil {
		return err
	}
	var repeat, shorter []question
	for i, q := range questions {
		err := results[i].Err
		switch {
		case again && q.outdated(err):
			repeat = append(repeat, q)
			continue
		case errors.Is(err, salesforce.ErrTooLong) && t.splits(q):
			shorter = append(shorter, q)
			continue
		}
		if err := t.takeRest(ctx, q, results[i], answer, again); err != nil {
			return err
		}
	}
	if err := t.askAll(ctx, shorter, again); err != nil {
		return err
	}
	return t.repeat(ctx, repeat)
}

// takeRest deals with a question whose first page was taken, or did not come.
func (t *pass) takeRest(ctx context.Context, q question, r salesforce.Result, a salesforce.Answer, again bool) error {
	switch kind := salesforce.KindOf(r.Err); {
	case kind == salesforce.ObjectGone && q.gone != nil:
		return q.gone()
	case kind == salesforce.Refused:
		// The session is good, one object is not ours to read: the others go on.
		t.noteFailed(q)
		t.problems = append(t.problems, fmt.Errorf("poll %s: %w", q.name, r.Err))
	case r.Err != nil && q.several && kind != salesforce.Limit:
		return t.askAll(ctx, q.halves(), again)
	case r.Err != nil:
		return t.fail(ctx, r.Err, a, q)
	case q.leaves(r):
		q.leave(a)
	case r.Next != "":
		return t.follow(ctx, q, r.Next)
	}
	return nil
}

// outdated tells whether a question failed for a field or an object that the describe has and the org shows us no more. What cannot be described, a
// history, is gone by its own answer.
func (q question) outdated(err error) bool {
	kind := salesforce.KindOf(err)
	return kind == salesforce.FieldGone || kind == salesforce.ObjectGone && q.gone == nil
}

// repeat asks once more those questions that named a field or an object which is gone, after a new describe.
func (t *pass) repeat(ctx context.Context, questions []question) error {
	if len(questions) == 0 {
		return nil
	}
	described := map[rules.Object]bool{}
	for _, q := range questions {
		if described[q.object] {
			continue
		}
		described[q.object] = true
		if err := t.describe(ctx, q.object); err != nil {
			return err
		}
	}
	if err := t.resolveRules(); err != nil {
		return err
	}
	return t.askAll(ctx, questions, false)
}

// leaves tells whether a long answer is left alone.
func (q question) leaves(r salesforce.Result) bool {
	return r.Next != "" && q.tooLong != nil && q.tooLong(r.Total)
}

func (t *pass) takeFirstPages(questions []question, results []salesforce.Result, a salesforce.Answer) error {
	return t.update(func(tx *store.Tx) error {
		for i, q := range questions {
			r := results[i]
			if r.Err != nil || q.leaves(r) {
				continue
			}
			if err := q.page(tx, r.Rows, a, r.Next == ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// follow reads the pages after the first, each while the one before it is taken in. Where the locator has expired, or a composite's locator is not
// taken, the query is asked again by itself.
func (t *pass) follow(ctx context.Context, q question, next string) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	asked := false
	for coming := t.fetch(reading, next); next != ""; {
		got := <-coming
		if got.panicked != nil {
			panic(got.panicked) // where it can be caught
		}
		if salesforce.KindOf(got.err) == salesforce.Locator && !asked {
			asked = true
			got.page, got.answer, got.err = t.Salesforce.QueryAll(ctx, q.soql())
		}
		t.heard(got.answer)
		if got.err != nil {
			return t.fail(ctx, got.err, got.answer, q)
		}
		if got.page.Next == next {
			return t.fail(ctx, errors.New("the answer's next page is the same page again"), got.answer, q)
		}
		if next = got.page.Next; next != "" {
			coming = t.fetch(reading, next)
		}
		err := t.update(func(tx *store.Tx) error { return q.page(tx, got.page.Rows, got.answer, next == "") })
		if err != nil {
			if stop(); next != "" {
				<-coming
			}
			return err
		}
	}
	return nil
}

// fetched is a page, or why there is none.
type fetched struct {
	page   salesforce.Page
	answer salesforce.Answer
	err    error

	panicked any
}

// fetch reads a page beside whatever else the pass does. Its outcome has to be waited for.
func (t *pass) fetch(ctx context.Context, next string) <-chan fetched {
	outcome := make(chan fetched, 1)
	go func() {
		var got fetched
		defer func() {
			if cause := recover(); cause != nil {
				got.panicked = fmt.Sprintf("%v\n%s", cause, debug.Stack())
			}
			outcome <- got
		}()
		got.page, got.answer, got.err = t.Salesforce.More(ctx, next)
	}()
	return outcome
}

// failAll fails every question of a call that was not answered.
func (t *pass) failAll(ctx context.Context, err error, a salesforce.Answer, questions []question) error {
	if len(questions) == 1 {
		return t.fail(ctx, err, a, questions[0])
	}
	for _, q := range questions {
		t.noteFailed(q)
	}
	return t.problem(ctx, fmt.Errorf("poll: %w", err))
}

func (t *pass) noteFailed(q question) {
	t.failed[q.name] = true
	if q.fails != nil {
		q.fails()
	}
}

// fail notes that a question was not answered to its end. Where too much was asked for at once it is asked for in another way instead: with
// half the values, or by the Ids of the linked records.
func (t *pass) fail(ctx context.Context, err error, a salesforce.Answer, q question) error {
	if salesforce.KindOf(err) == salesforce.Narrow {
		if q.leave != nil && !a.Bound.IsZero() {
			q.leave(a)
			return nil
		}
		if halves := q.halfway(); halves != nil {
			return t.ask(ctx, halves)
		}
		if q.without != nil {
			q.without()
			t.failed[q.name] = true // the pass was no whole one
			return t.problem(ctx, fmt.Errorf("poll %s: %w", q.name, err))
		}
	}
	t.noteFailed(q)
	return t.problem(ctx, fmt.Errorf("poll %s: %w", q.name, err))
}

func (q question) halfway() []question {
	if q.halves == nil {
		return nil
	}
	return q.halves()
}
