package doctor

import "testing"

func TestFreeSpaceIsJudgedBesideTheStoresSize(t *testing.T) {
	for _, c := range []struct {
		name       string
		free, file uint64
		want       Colour
	}{
		{"plenty", 100 << 30, 100 << 20, Green},
		{"too little for a copy", 3 << 30, 2 << 30, Yellow},
		{"little", 400 << 20, 1 << 20, Yellow},
		{"next to nothing", 40 << 20, 1 << 20, Red},
	} {
		if got := diskFinding(c.free, c.file); got.Colour != c.want || (got.Do == "") != (c.want == Green) {
			t.Errorf("%s: got %s (%s), want %s", c.name, got.Colour, got.Do, c.want)
		}
	}
}
