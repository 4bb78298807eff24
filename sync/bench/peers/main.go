// Command peers measures how fast others decode a query's answer alone: from memory, without a network, without doing anything with the rows. It
// is a module of its own, so that qualifyd depends on none of them. Its argument is a folder with an answer's pages; it prints a line "name rows/s" for each.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	salesforce "github.com/k-capehart/go-salesforce/v3"
)

// lead is a row as a program would declare it that knows what it asks for.
type lead struct {
	ID                     string `json:"Id"`
	IsDeleted              bool
	CreatedDate            string
	LastModifiedDate       string
	SystemModstamp         string
	Email                  string
	MasterRecordID         *string `json:"MasterRecordId"`
	IsConverted            bool
	ConvertedDate          *string
	ConvertedContactID     *string `json:"ConvertedContactId"`
	ConvertedOpportunityID *string `json:"ConvertedOpportunityId"`
	Status                 string
	ReferralCode           *string `json:"Referral_Code__c"`
	Rating, LeadSource     string
}

func main() {
	log.SetFlags(0)
	pages, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, peer := range []struct {
		name string
		rows func([][]byte) (int, error)
	}{
		{"encoding/json into structs", intoStructs},
		{"encoding/json into maps", intoMaps},
		{"go-salesforce", goSalesforce},
	} {
		runtime.GC()
		began := time.Now()
		rows, err := peer.rows(pages)
		if err != nil {
			log.Fatalf("%s: %v", peer.name, err)
		}
		fmt.Printf("%s\t%.0f\n", peer.name, float64(rows)/time.Since(began).Seconds())
	}
}

func read(folder string) ([][]byte, error) {
	var pages [][]byte
	for i := 0; ; i++ {
		page, err := os.ReadFile(filepath.Join(folder, strconv.Itoa(i)+".json"))
		if os.IsNotExist(err) && i > 0 {
			return pages, nil
		}
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
}

func intoStructs(pages [][]byte) (rows int, err error) {
	for _, page := range pages {
		var answer struct{ Records []lead }
		if err := json.Unmarshal(page, &answer); err != nil {
			return 0, err
		}
		rows += len(answer.Records)
	}
	return rows, nil
}

func intoMaps(pages [][]byte) (rows int, err error) {
	for _, page := range pages {
		var answer struct{ Records []map[string]any }
		if err := json.Unmarshal(page, &answer); err != nil {
			return 0, err
		}
		rows += len(answer.Records)
	}
	return rows, nil
}

// goSalesforce has the client follow the pages as it does, which are answered from memory.
func goSalesforce(pages [][]byte) (int, error) {
	client, err := salesforce.Init(salesforce.Creds{Domain: "https://acme.my.salesforce.com", AccessToken: "token"},
		salesforce.WithRoundTripper(&answers{pages: pages}), salesforce.WithValidateAuthentication(false))
	if err != nil {
		return 0, err
	}
	var leads []struct {
		ID     string `json:"Id"`
		Email  string
		Status string
	}
	err = client.Query("SELECT Id FROM Lead", &leads)
	return len(leads), err
}

type answers struct {
	pages [][]byte
	next  int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	page := a.pages[a.next]
	a.next++
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(page)), ContentLength: int64(len(page)),
	}, nil
}
