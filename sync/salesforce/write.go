package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Create makes one record and returns its Id. allowDuplicates passes duplicate
// rules that only alert, never those that block.
//
// When [UnknownOutcome] holds for the error the record may exist. Salesforce
// has no key against creating twice, so the caller looks for it and does not
// call again. The Id is returned even beside an error, when it is known.
func (c *Client) Create(ctx context.Context, object string, fields map[string]any, allowDuplicates bool) (id string, a Answer, err error) {
	r, err := c.write("create "+object, http.MethodPost, fields, object)
	if err != nil {
		return "", Answer{}, err
	}
	if allowDuplicates {
		r.header = map[string]string{"Sforce-Duplicate-Rule-Header": "allowSave=true"}
	}
	r.decode = func(body []byte) (err error) {
		id, err = decodeCreated(r, body)
		return err
	}
	a, err = c.do(ctx, r)
	return id, a, err
}

// Update changes fields of one record; the others stay.
func (c *Client) Update(ctx context.Context, object, id string, fields map[string]any) (Answer, error) {
	long, ok := longID(id)
	if !ok {
		return Answer{}, malformed("update "+object, fmt.Errorf("%q is not a record Id", id))
	}
	r, err := c.write("update "+object+" "+long, http.MethodPatch, fields, object, long)
	if err != nil {
		return Answer{}, err
	}
	r.decode = func(body []byte) error { // 204 No Content; a page of something in between is no success
		if len(bytes.TrimSpace(body)) > 0 {
			return errors.New("an answer to an update that is not empty")
		}
		return nil
	}
	return c.do(ctx, r)
}

// write prepares a plain request for one record. Never a composite: there "@{"
// in a value would be a reference, and values are what strangers typed.
func (c *Client) write(op, method string, fields map[string]any, object string, id ...string) (request, error) {
	if err := checkName(object); err != nil {
		return request{}, malformed("write a record", err)
	}
	for field := range fields {
		if err := checkName(field); err != nil {
			return request{}, malformed(op, err)
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return request{}, malformed(op, err)
	}
	path := c.dataPath() + "/sobjects/" + object
	for _, part := range id {
		path += "/" + part
	}
	return request{op: op, use: useWrite, method: method, path: path, body: body}, nil
}

// decodeCreated reads {"id": ..., "success": ..., "errors": [...]}. A 2xx can
// still say that nothing was created.
func decodeCreated(r request, body []byte) (string, error) {
	var created struct {
		ID      string `json:"id"`
		Success *bool  `json:"success"`
	}
	if err := json.Unmarshal(body, &created); err != nil {
		return "", err
	}
	if created.Success != nil && !*created.Success {
		e := failure(r, http.StatusBadRequest, nil, body)
		e.Status = http.StatusOK
		return "", e
	}
	id, ok := longID(created.ID)
	if created.Success == nil || !ok {
		return "", errors.New("an answer to a create without success and id")
	}
	return id, nil
}
