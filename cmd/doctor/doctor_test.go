package doctor_test

import (
	"testing"

	"qualifyd/rules"
)

func TestAHealthyInstallationIsGreenInEverything(t *testing.T) {
	tell(t, []story{
		{name: "a field of a Lead"},
		{name: "a stage", campaigns: []rules.Campaign{won}},
		{name: "Leads are made", campaigns: []rules.Campaign{makes}},
		{name: "all three", campaigns: []rules.Campaign{refer, won, makes}},
	})
}
