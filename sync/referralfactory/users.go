package referralfactory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// perPage is the most the service documents; it may send fewer.
const perPage = 250

// User is one person in one campaign; the same person in two campaigns is two
// users. Days are "2006-01-02" in no known zone, or "": the service documents
// dates without a time.
type User struct {
	ID          int64
	CampaignID  int64
	ReferrerID  int64 // 0: nobody referred this user
	FirstName   string
	Email       string
	Code        string // the user's own, unique
	URL         string // the user's own join link
	Source      string // Direct, Referred, Api, ...
	Type        string // person_referring or person_invited
	SignedUpAt  string
	QualifiedAt string // "": pending
	Meta        []Meta
}

// Meta is a field of the campaign's form. A value that is no string is
// rendered as text, a list with ", " between.
type Meta struct{ Field, Value string }

// Page is one page of the account's users, of all campaigns and kinds.
type Page struct {
	Users   []User
	More    bool    // another page may follow
	Total   int     // as the service counts, which proves nothing; -1: it does not say
	Skipped []error // rows that could not be read, each named; the others are in Users
}

// QualifyResult is what the answer to Qualify tells.
type QualifyResult struct {
	QualifiedAt string // a day; "": the answer did not say, read the user back
}

// Users reads a page of all users; the first is 1. The API documents no filter
// and no order, so users may turn up twice while pages shift. ErrNotFound is
// not among its errors.
func (c *Client) Users(ctx context.Context, page int) (Page, Answer, error) {
	var got Page
	answer, err := c.read(ctx, fmt.Sprintf("/users?per_page=%d&page=%d", perPage, page), func(body []byte) (err error) {
		got, err = decodePage(body, page)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		err = &Rejected{Status: http.StatusNotFound, Message: "no list of users here; check the base URL"}
	}
	if err != nil {
		return Page{}, answer, fmt.Errorf("page %d of the users: %w", page, err)
	}
	return got, answer, nil
}

// User reads one user. It returns ErrNotFound for one that is gone.
func (c *Client) User(ctx context.Context, id int64) (User, Answer, error) {
	var got User
	answer, err := c.read(ctx, fmt.Sprintf("/users/%d", id), func(body []byte) (err error) {
		got, err = decodeSingle(body)
		if err == nil && got.ID != id {
			err = fmt.Errorf("it sent user %d instead", got.ID)
		}
		return err
	})
	if err != nil {
		return User{}, answer, fmt.Errorf("user %d: %w", id, err)
	}
	return got, answer, nil
}

// Qualify marks a user as qualified, which may issue a reward at once. It is
// sent at most once; on error ask UnknownOutcome. reserve is run just before
// the sending, after any wait for the budget; when it fails nothing is sent.
func (c *Client) Qualify(ctx context.Context, id int64, reserve func() error) (QualifyResult, Answer, error) {
	body, answer, err := c.setQualified(ctx, id, true, reserve)
	if err != nil {
		return QualifyResult{}, answer, fmt.Errorf("qualify user %d: %w", id, err)
	}
	return QualifyResult{QualifiedAt: decodeQualifiedAt(body, id)}, answer, nil
}

// Unqualify sets a user back to pending. A reward already issued stays issued.
// It is sent as Qualify is. pending is false where the answer did not say that
// the user is pending now: then read the user back.
func (c *Client) Unqualify(ctx context.Context, id int64, reserve func() error) (pending bool, answer Answer, err error) {
	body, answer, err := c.setQualified(ctx, id, false, reserve)
	if err != nil {
		return false, answer, fmt.Errorf("unqualify user %d: %w", id, err)
	}
	shown, unreadable := decodeSingle(body)
	return unreadable == nil && shown.ID == id && shown.QualifiedAt == "", answer, nil
}

// setQualified takes any 2xx as done: the body is not documented, and may be
// empty. One that is there must be whole.
func (c *Client) setQualified(ctx context.Context, id int64, qualified bool, reserve func() error) ([]byte, Answer, error) {
	change := fmt.Appendf(nil, `{"id":%d,"qualified":%t}`, id, qualified)
	answer, body, err := c.call(ctx, http.MethodPut, "/users/qualification", change, reserve)
	if err != nil {
		return nil, answer, err
	}
	if len(bytes.TrimSpace(body)) > 0 && !json.Valid(body) {
		return nil, answer, &Unavailable{Status: http.StatusOK, Cause: errors.New("an answer that is cut or no JSON")}
	}
	return body, answer, nil
}
