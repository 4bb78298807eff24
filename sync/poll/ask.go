package poll

import (
	"context"
	"fmt"
	"slices"

	"qualifyd/rules"
	"qualifyd/store"
	"qualifyd/sync/salesforce"
)

// queriesACall is how many queries Salesforce takes in one composite, which costs one API call.
const queriesACall = 5

// question is a query with what to do with its answer.
type question struct {
	name   string       // what failed is reported by it
	object rules.Object // whose describe decides which columns there are
	// soql builds the query; it is built anew when a column turned out to be gone.
	soql func() salesforce.Soql
	// page takes a page of the answer within the transaction that is the page's; last is set for the last one.
	page func(tx *store.Tx, rows []salesforce.Row, a salesforce.Answer, last bool) error
	// tooLong is asked, where it is set, whether an answer of so many rows should be left alone; nothing of it is taken then.
	tooLong func(rows int, a salesforce.Answer) bool
	// gone is called, where it is set, when the org has no such object.
	gone func() error
}

// ask puts questions to Salesforce, five to a call, and hands each its answer page by page. Answers are taken in the order of the questions;
// the first pages of one call share a transaction. A question that fails is noted in t.failed and reported; the others go on.
func (t *pass) ask(ctx context.Context, questions []question) error {
	for some := range slices.Chunk(questions, queriesACall) {
		if err := t.askCall(ctx, some, true); err != nil {
			return err
		}
	}
	return nil
}

// askCall asks at most five questions in one call. again allows one repetition of those whose columns turned out to be gone.
func (t *pass) askCall(ctx context.Context, questions []question, again bool) error {
	var queries []salesforce.Query
	for i, q := range questions {
		queries = append(queries, salesforce.Query{Name: fmt.Sprintf("%s_%d", q.object, i), SOQL: q.soql()})
	}
	answer, results, err := t.Salesforce.Composite(ctx, queries)
	t.heard(answer)
	switch {
	case err != nil && salesforce.KindOf(err) == salesforce.Narrow && len(questions) > 1:
		for _, q := range questions {
			if err := t.askCall(ctx, []question{q}, again); err != nil {
				return err
			}
		}
		return nil
	case err != nil:
		return t.fail(ctx, err, questions...)
	}
	if err := t.takeFirstPages(questions, results, answer); err != nil {
		return err
	}
	var repeat []question
	for i, q := range questions {
		result := results[i]
		kind := salesforce.KindOf(result.Err)
		switch {
		case kind == salesforce.FieldGone && again:
			if err := t.describe(ctx, q.object); err != nil {
				return err
			}
			repeat = append(repeat, q)
		case kind == salesforce.ObjectGone && q.gone != nil:
			err = q.gone()
		case result.Err != nil:
			err = t.fail(ctx, result.Err, q)
		case result.Next != "" && !t.leaves(q, result, answer):
			err = t.follow(ctx, q, result.Next)
		}
		if err != nil {
			return err
		}
	}
	if len(repeat) == 0 {
		return nil
	}
	if err := t.resolveRules(); err != nil {
		return err
	}
	return t.askCall(ctx, repeat, false)
}

// leaves tells whether a long answer is left alone.
func (t *pass) leaves(q question, r salesforce.Result, a salesforce.Answer) bool {
	return r.Next != "" && q.tooLong != nil && q.tooLong(r.Total, a)
}

func (t *pass) takeFirstPages(questions []question, results []salesforce.Result, a salesforce.Answer) error {
	return t.update(func(tx *store.Tx) error {
		for i, q := range questions {
			r := results[i]
			if r.Err != nil || t.leaves(q, r, a) {
				continue
			}
			if err := q.page(tx, r.Rows, a, r.Next == ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// follow reads the pages after the first. Where the locator has expired, or a composite's locator is not taken, the query is asked again plainly.
func (t *pass) follow(ctx context.Context, q question, next string) error {
	plain := false
	for next != "" {
		page, answer, err := t.Salesforce.More(ctx, next)
		if salesforce.KindOf(err) == salesforce.Locator && !plain {
			plain = true
			page, answer, err = t.Salesforce.QueryAll(ctx, q.soql())
		}
		t.heard(answer)
		if err != nil {
			return t.fail(ctx, err, q)
		}
		if page.Next == next {
			return t.fail(ctx, fmt.Errorf("the answer's next page is the same page again"), q)
		}
		next = page.Next
		err = t.update(func(tx *store.Tx) error { return q.page(tx, page.Rows, answer, next == "") })
		if err != nil {
			return err
		}
	}
	return nil
}

// fail notes that questions were not answered to their end.
func (t *pass) fail(ctx context.Context, err error, questions ...question) error {
	for _, q := range questions {
		t.failed[q.name] = true
	}
	return t.problem(ctx, fmt.Errorf("poll %s: %w", questions[0].name, err))
}
