package doctor

import (
	"fmt"
	"time"

	"qualifyd/rules"
)

// signUp is what is known of the moment of a sign-up: its day by Referral Factory, in a zone that nobody tells, and that it came after one
// sweep and before another (service times; zero where that is not known).
type signUp struct {
	day         time.Time // midnight UTC of the day that is named
	after, till time.Time
}

// signUpOf is what a referral tells of the zone; nothing where that is nothing.
func signUpOf(r rules.Referral, zone *time.Location) []signUp {
	day, err := time.Parse(time.DateOnly, r.SignedUpOn)
	if err != nil {
		return nil
	}
	s := signUp{day: day, after: r.Lacked}
	// The sweep that first showed it is remembered only where its sign-up day had not begun by then, in the zone of that time.
	sameZone := r.DayEnds.Equal(rules.StartOfDay(day.AddDate(0, 0, 1), zone))
	if sameZone && r.Joined.Before(rules.StartOfDay(day, zone)) {
		s.till = r.Joined
	}
	if s.after.IsZero() && s.till.IsZero() {
		return nil
	}
	return []signUp{s}
}

// fits tells whether a sign-up can have had its day in a zone.
func (s signUp) fits(zone *time.Location) bool {
	begins, ends := rules.StartOfDay(s.day, zone), rules.StartOfDay(s.day.AddDate(0, 0, 1), zone)
	return (s.till.IsZero() || !begins.After(s.till)) && (s.after.IsZero() || ends.After(s.after))
}

// likelyZones are those proposed, a common one for each offset.
var likelyZones = []string{
	"UTC", "Europe/London", "Europe/Berlin", "Europe/Athens", "Africa/Johannesburg", "Europe/Istanbul", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata",
	"Asia/Dhaka", "Asia/Bangkok", "Asia/Singapore", "Asia/Tokyo", "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland", "America/Sao_Paulo",
	"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu",
}

// enoughSignUps is from how many on the absence of a contradiction says something.
const enoughSignUps = 10

// checkZone compares the sign-up days with the times at which referrals were first seen.
func (c *checkup) checkZone() {
	const check, title = "referral_factory.timezone", "Referral Factory's time zone"
	if c.file == nil {
		return
	}
	zone := c.Config.ReferralFactory.Timezone
	signUps := c.file.signUps
	wrong := misfits(signUps, c.Poll.Zone)
	switch {
	case wrong > 0:
		better := fitting(signUps)
		text := fmt.Sprintf("%d of %s had a sign-up day that was not the day in %s when they were first seen", wrong, count(len(signUps), "referral"), zone)
		if len(better) == 0 {
			c.yellow(Machinery, check, title, text+"; and no common zone fits all of them",
				"ask Referral Factory in which zone the account's dates are, and set referral_factory.timezone")
			return
		}
		c.add(Finding{Group: Machinery, Check: check, Colour: Yellow, Title: title, Text: text + "; these zones fit all: " + some(better),
			Do: "set referral_factory.timezone to the one that is the account's", Details: map[string]any{"fitting": better}})
	case len(signUps) < enoughSignUps:
		c.green(Machinery, check, title, fmt.Sprintf("%s, as configured; too few referrals were seen to join yet (%d) to tell whether that is right", zone, len(signUps)))
	default:
		c.green(Machinery, check, title, fmt.Sprintf("%s, as configured; the sign-up days of %s fit it", zone, count(len(signUps), "referral")))
	}
}

func misfits(signUps []signUp, zone *time.Location) (n int) {
	for _, s := range signUps {
		if !s.fits(zone) {
			n++
		}
	}
	return n
}

// fitting are the likely zones that every sign-up fits.
func fitting(signUps []signUp) (names []string) {
	for _, name := range likelyZones {
		if zone, err := time.LoadLocation(name); err == nil && misfits(signUps, zone) == 0 {
			names = append(names, name)
		}
	}
	return names
}
