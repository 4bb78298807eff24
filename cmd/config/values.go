package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"qualifyd/rules"
)

// decode loads the document's values into config, over the defaults that it
// holds. What cannot be read keeps its default and becomes a problem.
func (d *document) decode(config *Config) {
	v := viper.New()
	err := v.MergeConfigMap(d.values)
	if err == nil {
		err = v.UnmarshalExact(config, viper.DecodeHook(fromText), func(c *mapstructure.DecoderConfig) {
			c.TagName = "yaml"
			c.WeaklyTypedInput = false
		})
	}
	d.decodeProblems(err)
}

func (d *document) decodeProblems(err error) {
	var several interface{ Unwrap() []error }
	var atKey *mapstructure.DecodeError
	if errors.As(err, &several) {
		for _, one := range several.Unwrap() {
			d.decodeProblems(one)
		}
	} else if errors.As(err, &atKey) {
		d.problem(atKey.Name(), "%v", atKey.Unwrap())
	} else if err != nil {
		d.problem("", "%v", err)
	}
}

// fromText is the decode hook: it reads a value of type to from the text in the file.
func fromText(_, to reflect.Type, data any) (any, error) {
	text, ok := data.(string)
	if !ok {
		return data, nil
	}
	switch to {
	case reflect.TypeFor[bool]():
		return parseBool(text)
	case reflect.TypeFor[int](), reflect.TypeFor[int64]():
		return parseInt(text)
	case reflect.TypeFor[time.Duration]():
		return parseDuration(text)
	case reflect.TypeFor[DailyCalls]():
		return parseDailyCalls(text)
	case reflect.TypeFor[EffectiveFrom]():
		return parseEffectiveFrom(text)
	case reflect.TypeFor[Brake]():
		return parseBrake(text)
	case reflect.TypeFor[Secret]():
		return Secret{text: &text}, nil
	}
	return data, nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

// parseInt wants plain digits: YAML would read 0123 as 83 and accept 701e10.
func parseInt(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, fmt.Errorf("%q is not a whole number in plain digits", text)
	}
	return n, nil
}

// parseDuration wants a unit: viper would take a bare 20 for 20 nanoseconds.
func parseDuration(text string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("%s has no unit; write %sm for minutes", text, text)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write it like 90s, 20m or 24h", text)
	}
	return d, nil
}

// shortDuration writes 20m where [time.Duration.String] writes 20m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// DailyCalls is how many Salesforce API requests a rolling 24 hours may use:
// a share of the org's own limit, or a number. One of the two is zero.
type DailyCalls struct {
	Percent float64 // over 0, up to 100
	Calls   int
}

func parseDailyCalls(text string) (DailyCalls, error) {
	if share, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return DailyCalls{}, fmt.Errorf("%q is not a share; write one over 0%% and up to 100%%", text)
		}
		return DailyCalls{Percent: percent}, nil
	}
	calls, err := strconv.Atoi(text)
	if err != nil || calls <= 0 {
		return DailyCalls{}, fmt.Errorf("%q is neither a share nor a number of calls; write 20%% or 20000", text)
	}
	return DailyCalls{Calls: calls}, nil
}

func (d DailyCalls) String() string {
	if d.Percent > 0 {
		return strconv.FormatFloat(d.Percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(d.Calls)
}

// Brake holds back what exceeds Count qualifications in a rolling Window. Off: nothing is held back.
type Brake struct {
	Count  int
	Window time.Duration
	Off    bool
}

func parseBrake(text string) (Brake, error) {
	if folded := strings.ToLower(text); folded == "off" || folded == "false" { // YAML 1.1 tools write off as false
		return Brake{Off: true}, nil
	}
	count, window, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil || n < 1 {
		return Brake{}, fmt.Errorf("%q is not a brake; write it like 50/1h, or off", text)
	}
	d, err := time.ParseDuration(strings.TrimSpace(window))
	if err != nil || d <= 0 {
		return Brake{}, fmt.Errorf("%q lacks a duration like 1h or 24h after its number; write it like %d/1h, or off", text, n)
	}
	return Brake{Count: n, Window: d}, nil
}

func (b Brake) String() string {
	if b.Off {
		return "off"
	}
	return fmt.Sprintf("%d/%s", b.Count, shortDuration(b.Window))
}

// EffectiveFrom is the earliest time that counts for a campaign. It is zero
// when the file does not say; then the first pass that knows the campaign decides.
type EffectiveFrom struct {
	Text   string    // as written
	IsDate bool      // a whole day, not an instant
	Time   time.Time // a date's: the start of that day in referral_factory.timezone
}

func parseEffectiveFrom(text string) (EffectiveFrom, error) {
	at, err := time.Parse(time.DateOnly, text)
	isDate := err == nil
	if !isDate {
		at, err = time.Parse(time.RFC3339, text)
	}
	switch {
	case err != nil:
		return EffectiveFrom{}, fmt.Errorf("%q is neither a date nor an instant with its zone; write 2026-01-01 or 2026-01-01T09:00:00Z", text)
	case at.Year() < 1900: // the year 1, which some programs mean by "always", would be the same as nothing at all
		return EffectiveFrom{}, fmt.Errorf("%s is before everything; write 2000-01-01 to count from the beginning", text)
	}
	return EffectiveFrom{Text: text, IsDate: isDate, Time: at}, nil
}

func (e EffectiveFrom) String() string { return e.Text }

// in places a date in a zone, wherever it was placed before.
func (e EffectiveFrom) in(zone *time.Location) EffectiveFrom {
	if day, err := time.Parse(time.DateOnly, e.Text); e.IsDate && err == nil {
		e.Time = rules.StartOfDay(day, zone)
	}
	return e
}
