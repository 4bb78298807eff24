package referralfactory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Launched is the Status of a campaign that people can join. The others
// documented are draft and paused.
const Launched = "launched"

// Campaign is a campaign of the account. Of what it does not say, the field is "".
type Campaign struct {
	ID       int64
	Name     string
	Code     string
	URL      string
	Status   string // Launched, draft or paused
	StartsAt string // a day; "": it has begun
	EndsAt   string // a day; "": it does not end
}

// maxCampaignPages bounds the reading of a list that never says that it ends.
const maxCampaignPages = 40

// Campaigns reads all campaigns of the account. Which pages the list has is
// not documented; it is read like the users'. The Answer is the first page's.
func (c *Client) Campaigns(ctx context.Context) ([]Campaign, Answer, error) {
	var all []Campaign
	var first Answer
	known := map[int64]bool{}
	for page := 1; page <= maxCampaignPages; page++ {
		got, more, answer, err := c.campaignPage(ctx, page)
		if err != nil {
			return nil, answer, fmt.Errorf("page %d of the campaigns: %w", page, err)
		}
		if page == 1 {
			first = answer
		}
		before := len(all)
		for _, one := range got {
			if !known[one.ID] {
				known[one.ID] = true
				all = append(all, one)
			}
		}
		// A service that ignores the page number sends the same ones again.
		if !more || len(all) == before {
			break
		}
	}
	return all, first, nil
}

func (c *Client) campaignPage(ctx context.Context, page int) (got []Campaign, more bool, answer Answer, err error) {
	answer, err = c.read(ctx, fmt.Sprintf("/campaigns?per_page=%d&page=%d", perPage, page), func(body []byte) (err error) {
		got, more, err = decodeCampaigns(body, page)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		err = &Rejected{Status: http.StatusNotFound, Message: "no list of campaigns here; check the base URL"}
	}
	return got, more, answer, err
}

func decodeCampaigns(body []byte, page int) ([]Campaign, bool, error) {
	e, err := decodeEnvelope(body, page, "campaigns")
	if err != nil {
		return nil, false, err
	}
	var list []Campaign
	for i, raw := range e.rows {
		one, err := decodeCampaign(raw)
		if err != nil {
			return nil, false, fmt.Errorf("row %d: %w", i+1, err)
		}
		list = append(list, one)
	}
	return list, e.more, nil
}

// decodeCampaign wants nothing but the id: what else a campaign says is shown
// to people, and decides nothing.
func decodeCampaign(raw json.RawMessage) (Campaign, error) {
	fields := object(raw)
	id, err := integer(fields["id"])
	if err != nil || id <= 0 {
		return Campaign{}, errors.New("a campaign without id")
	}
	c := Campaign{ID: id, Name: text(fields["name"]), Code: text(fields["code"]), URL: text(fields["url"]), Status: text(fields["status"])}
	c.StartsAt, _ = day(fields["starts_at"])
	c.EndsAt, _ = day(fields["ends_at"])
	return c, nil
}
