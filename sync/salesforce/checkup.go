package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
)

// Plan is how Salesforce would run a query, from its "query performance
// feedback", which is documented as a beta feature.
type Plan struct {
	Operation string  // what it begins with: Index, Sharing, Other or TableScan
	Cost      float64 // over 1, Salesforce does not think the query selective
	Table     int     // records of the object, as estimated
}

// Explain asks how Salesforce would run a query, without running it.
func (c *Client) Explain(ctx context.Context, q Soql) (Plan, error) {
	op := "explain a query for " + q.object
	text, err := q.Build()
	if err != nil {
		return Plan{}, malformed(op, err)
	}
	var answer struct {
		Plans []struct {
			Operation string  `json:"leadingOperationType"`
			Cost      float64 `json:"relativeCost"`
			Table     int     `json:"sobjectCardinality"`
		} `json:"plans"`
	}
	_, err = c.do(ctx, request{
		op: op, use: useQuery, method: http.MethodGet, path: c.dataPath() + "/query?explain=" + encode(text),
		decode: func(body []byte) error {
			answer.Plans = nil
			if err := json.Unmarshal(body, &answer); err != nil {
				return err
			}
			if len(answer.Plans) == 0 || answer.Plans[0].Operation == "" {
				return errors.New("an explanation without plans")
			}
			return nil
		},
	})
	if err != nil {
		return Plan{}, err
	}
	return Plan(answer.Plans[0]), nil // the one that would be used comes first
}

// Versions lists the API versions that the org serves, like "67.0".
func (c *Client) Versions(ctx context.Context) ([]string, error) {
	var answer []struct{ Version string }
	_, err := c.do(ctx, request{
		op: "list the API versions", use: useDescribe, method: http.MethodGet, path: "/services/data",
		decode: func(body []byte) error {
			answer = nil
			err := json.Unmarshal(body, &answer)
			if err == nil && (len(answer) == 0 || slices.Contains(answer, struct{ Version string }{})) {
				err = errors.New("a list without versions, or with one that has no number")
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, a := range answer {
		versions = append(versions, a.Version)
	}
	return versions, nil
}

// Audience is the JWT audience that the newest login was accepted with, or the
// configured one; "" where there is neither.
func (c *Client) Audience() string {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	return c.audience
}
