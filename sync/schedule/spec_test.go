package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestSpecsThatAreAccepted(t *testing.T) {
	at := time.Date(2030, 5, 1, 12, 0, 30, 0, time.UTC) // a Wednesday
	for text, want := range map[string]string{
		"@every 10s":     "2030-05-01T12:00:40Z",
		"@every 1h30m":   "2030-05-01T13:30:30Z",
		"@hourly":        "2030-05-01T13:00:00Z",
		"@daily":         "2030-05-02T00:00:00Z",
		" 15 3 * * * ":   "2030-05-02T03:15:00Z",
		"*/5 * * * *":    "2030-05-01T12:05:00Z",
		"0 4 * * SUN":    "2030-05-05T04:00:00Z",
		"0 0 29 2 *":     "2032-02-29T00:00:00Z",
		"59 23 31 12 *":  "2030-12-31T23:59:00Z",
		"0,1 6-8 1 1,7 ": "", // four fields
	} {
		spec, err := Parse(text, 10*time.Second)
		if want == "" {
			if err == nil {
				t.Errorf("%q: accepted, want an error", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := spec.Next(at).Format(time.RFC3339); got != want {
			t.Errorf("%q after %v: got %s, want %s", text, at, got, want)
		}
		if got := spec.String(); got != strings.TrimSpace(text) {
			t.Errorf("%q: prints as %q", text, got)
		}
	}
}

func TestTimesAreUTCWhereverTheCallerIs(t *testing.T) {
	spec, err := Parse("0 3 * * *", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2030, 5, 1, 23, 30, 0, 0, time.FixedZone("UTC-5", -5*60*60)) // 04:30 UTC on the 2nd
	if got, want := spec.Next(at), time.Date(2030, 5, 3, 3, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSpecsThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		least time.Duration
		want  string
	}{
		"empty":                  {"", time.Second, `schedule "": empty spec string; want minute, hour`},
		"words":                  {"every minute", time.Second, `or "@every 1m"`},
		"with seconds":           {"0 * * * * *", time.Second, "want minute, hour, day, month and weekday"},
		"unknown descriptor":     {"@fortnightly", time.Second, `or "@daily"`},
		"step of zero":           {"*/0 * * * *", time.Second, "want minute, hour"},
		"out of range":           {"60 * * * *", time.Second, "want minute, hour"},
		"no such day":            {"0 0 31 2 *", time.Second, "there is no such day, so it never runs"},
		"no duration":            {"@every soon", time.Second, "want minute, hour"},
		"in a zone":              {"TZ=Europe/Berlin 0 3 * * *", time.Second, "leave the time zone out"},
		"in a zone, cron's":      {"CRON_TZ=UTC 0 3 * * *", time.Second, "leave the time zone out"},
		"a zone and no more":     {"TZ=UTC", time.Second, "leave the time zone out"},
		"every, too often":       {"@every 9s", 10 * time.Second, `runs more often than every 10s; for example "@every 10s"`},
		"every, under a second":  {"@every 10ms", time.Second, "runs more often than every 1s"},
		"every, backwards":       {"@every -5m", time.Second, "runs more often than every 1s"},
		"every, a fraction":      {"@every 90.5s", time.Second, `parts of a second do not count; for example "@every 1m30s"`},
		"fields, too often":      {"*/5 * * * *", 10 * time.Minute, "runs more often than every 10m0s"},
		"fields, over midnight":  {"0,55 0,23 * * *", 10 * time.Minute, "runs more often"},
		"fields, two days of it": {"55 23 * * 1,5", 24*time.Hour + time.Minute, ""},
		"fields, days in a row":  {"0 12 1,15,16 * *", 48 * time.Hour, "runs more often than every 48h0m0s"},
	} {
		_, err := Parse(test.text, test.least)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %q: got %v, want it accepted", name, test.text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q: got %v, want %q", name, test.text, err, test.want)
		}
	}
}
