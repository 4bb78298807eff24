package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
)

// maxQueries is Salesforce's limit of query subrequests in a composite.
const maxQueries = 5

// Query is one question of a composite.
type Query struct {
	Name string // letters, digits and underscores; names the question in errors and in the composite
	SOQL Soql
}

// Result is what became of one question: its first page, or why there is none.
type Result struct {
	Page
	Err error
}

// subrequest and subanswer are the members of a composite's body.
type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Header      map[string]string `json:"httpHeaders,omitempty"`
}

type subanswer struct {
	Body           json.RawMessage `json:"body"`
	HTTPStatusCode int             `json:"httpStatusCode"`
	ReferenceID    string          `json:"referenceId"`
}

var referenceID = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// Composite asks up to five queries in one API call. The results are in the
// order of the queries, and one that fails does not touch the others. An error
// beside them means that nothing was read at all.
//
// A query may be longer than a URL. Where Salesforce does not take that, the
// error is [ErrTooLong], and from then on no such query fits.
func (c *Client) Composite(ctx context.Context, queries []Query) (Answer, []Result, error) {
	if err := checkQueries(queries); err != nil {
		return Answer{}, nil, malformed("ask queries", err)
	}
	results := make([]Result, len(queries))
	long := make([]bool, len(queries))
	var subs []subrequest
	for i, q := range queries {
		var path string
		var err error
		if path, long[i], err = c.queryPath(q.SOQL); err != nil {
			results[i].Err = unsent(q.op(), err)
			continue
		}
		subs = append(subs, subrequest{Method: http.MethodGet, URL: path, ReferenceID: q.Name, Header: q.SOQL.header()})
	}
	if len(subs) == 0 {
		return Answer{}, results, results[0].Err
	}
	answers, a, err := c.compose(ctx, subs)
	if err != nil {
		if slices.Contains(long, true) {
			c.learnLength(err)
		}
		return Answer{}, nil, err
	}
	for i, q := range queries {
		if results[i].Err != nil {
			continue
		}
		results[i] = c.result(q, answers[q.Name])
		if long[i] {
			c.learnLength(results[i].Err)
		}
	}
	return a, results, nil
}

// What Salesforce makes of a query in a composite's body that is longer than a
// URL. Its help advises to put such a query there, and no limit of its own is
// documented for it; we have not seen it tried on a live org. So it is tried,
// and what became of it is remembered as long as the client lives.
const (
	longUnknown int32 = iota
	longTaken
	longRefused
)

// learnLength takes note of what became of a long query. A refusal for its
// length becomes ErrTooLong. How Salesforce would word that is not known, so
// until one was answered, whatever gives no other reason is taken for it.
func (c *Client) learnLength(err error) {
	if err == nil {
		c.long.CompareAndSwap(longUnknown, longTaken)
		return
	}
	var e *APIError
	if !errors.As(err, &e) || e.Status < 400 {
		return
	}
	inside := e.Status >= 500 && e.Status != http.StatusServiceUnavailable // 503 has a reason: maintenance
	vague := (e.Kind == Malformed || inside) && c.long.Load() == longUnknown
	if vague || tooLong(e.Status) || e.Code == "QUERY_TOO_COMPLICATED" || e.Code == "MALFORMED_QUERY" {
		c.long.Store(longRefused)
		c.log.Warn().Err(err).
			Msg("Salesforce does not take queries longer than a URL; they are asked in several shorter ones, which takes more calls")
		e.Kind, e.Err = Narrow, ErrTooLong
	}
}

func (q Query) op() string { return "query " + q.Name }

func checkQueries(queries []Query) error {
	if len(queries) == 0 || len(queries) > maxQueries {
		return fmt.Errorf("%d queries in a composite, want 1 to %d", len(queries), maxQueries)
	}
	seen := map[string]bool{}
	for _, q := range queries {
		if !referenceID.MatchString(q.Name) || seen[q.Name] {
			return fmt.Errorf("query name %q: want distinct names of letters, digits and underscores", q.Name)
		}
		seen[q.Name] = true
	}
	return nil
}

// compose sends the composite and groups its answers by referenceId.
func (c *Client) compose(ctx context.Context, subs []subrequest) (map[string][]subanswer, Answer, error) {
	// allOrNone: with true, one failing query would turn the others into errors too.
	body, err := json.Marshal(struct {
		AllOrNone bool         `json:"allOrNone"`
		Requests  []subrequest `json:"compositeRequest"`
	}{false, subs})
	if err != nil {
		return nil, Answer{}, malformed("ask queries", err)
	}
	var answers []subanswer
	a, err := c.do(ctx, request{
		op:     "ask queries",
		use:    useQuery,
		method: http.MethodPost,
		path:   c.dataPath() + "/composite",
		body:   body,
		decode: func(body []byte) (err error) {
			answers, err = decodeComposite(body)
			return err
		},
	})
	if err != nil {
		return nil, Answer{}, err
	}
	byName := map[string][]subanswer{}
	for _, sub := range answers {
		byName[sub.ReferenceID] = append(byName[sub.ReferenceID], sub)
	}
	return byName, a, nil
}

func decodeComposite(body []byte) ([]subanswer, error) {
	var answer struct {
		Answers []subanswer `json:"compositeResponse"`
	}
	err := json.Unmarshal(body, &answer)
	if err == nil && answer.Answers == nil {
		err = errors.New("a composite answer without compositeResponse")
	}
	return answer.Answers, err
}

// result reads a query's answer. The composite's own 200 says nothing of it.
func (c *Client) result(q Query, answers []subanswer) Result {
	if len(answers) != 1 {
		return Result{Err: malformed(q.op(), fmt.Errorf("%d answers in the composite, want one", len(answers)))}
	}
	sub := answers[0]
	r := request{op: q.op(), use: useQuery}
	if sub.HTTPStatusCode != http.StatusOK {
		e := failure(r, sub.HTTPStatusCode, nil, sub.Body)
		if sessionEnded(e) { // it ended between the composite and this query
			c.current.Store(nil)
			e.Kind = Transient
		}
		return Result{Err: e}
	}
	page, err := decodePage(sub.Body)
	if err != nil {
		return Result{Err: malformed(r.op, err)}
	}
	return Result{Page: page}
}

// unsent is the error for a query that was not worth sending.
func unsent(op string, cause error) *APIError {
	e := malformed(op, cause)
	if errors.Is(cause, ErrTooLong) {
		e.Kind = Narrow
	}
	return e
}

// QueryAll asks one query by itself: by its URL, or in a composite when it is
// too long for one. Deleted records are among its rows, unless it is
// [Soql.Living].
func (c *Client) QueryAll(ctx context.Context, q Soql) (Page, Answer, error) {
	op := "query " + q.object
	path, long, err := c.queryPath(q)
	switch {
	case err != nil:
		return Page{}, Answer{}, unsent(op, err)
	case !long:
		return c.page(ctx, request{op: op, use: useQuery, path: path})
	}
	a, results, err := c.Composite(ctx, []Query{{Name: q.object, SOQL: q}})
	if err != nil {
		return Page{}, Answer{}, err
	}
	return results[0].Page, a, results[0].Err
}

// More reads the next page. An error of the kind Locator means that next has
// expired and the query must be asked again. Its rows can be newer than the
// first page: values are read when a page is.
func (c *Client) More(ctx context.Context, next string) (Page, Answer, error) {
	const op = "read the next page"
	if err := checkNext(next); err != nil {
		return Page{}, Answer{}, malformed(op, err)
	}
	return c.page(ctx, request{op: op, use: useMore, path: next})
}

func (c *Client) page(ctx context.Context, r request) (Page, Answer, error) {
	var page Page
	r.method = http.MethodGet
	r.decode = func(body []byte) (err error) {
		page, err = decodePage(body)
		return err
	}
	a, err := c.do(ctx, r)
	if err != nil {
		return Page{}, Answer{}, err
	}
	return page, a, nil
}
