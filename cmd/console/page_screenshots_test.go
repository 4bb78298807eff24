package console_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var (
	screenshotsOf   = flag.String("page", "", "the address of a page, as the demo prints it, to take pictures of")
	screenshotsInto = flag.String("screenshots", "", "the folder for the pictures")
)

func TestScreenshots(t *testing.T) {
	if *screenshotsOf == "" || *screenshotsInto == "" {
		t.Skip("no pictures are asked for: make screenshots PAGE=http://127.0.0.1:...")
	}
	b := newTab(t)
	for name, look := range map[string]struct {
		width int64
		dark  bool
		story bool
	}{
		"page-light.png": {1280, false, false}, "page-dark.png": {1280, true, false}, "page-phone.png": {390, false, false}, "page-story.png": {1280, false, true},
	} {
		b.look(look.width, look.dark)
		b.do(chromedp.Navigate(*screenshotsOf))
		if look.story {
			b.do(chromedp.Click(chromedp.CSS(".list .who a")), chromedp.WaitVisible(chromedp.CSS("article.story")))
		}
		picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = writePicture(filepath.Join(*screenshotsInto, name), picture)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// writePicture makes like colours one, up to 256 of them, which makes the file a third as long and is not seen.
func writePicture(path string, picture []byte) error {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return err
	}
	bounds, count := full.Bounds(), map[color.Color]int{}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			count[full.At(x, y)]++
		}
	}
	small := image.NewPaletted(bounds, nil)
	known, index := map[[3]uint32]uint8{}, map[color.Color]uint8{}
	for _, c := range slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] }) {
		r, g, b, _ := c.RGBA()
		like := [3]uint32{r >> 12, g >> 12, b >> 12}
		if _, found := known[like]; !found && len(small.Palette) < 256 {
			known[like] = uint8(len(small.Palette))
			small.Palette = append(small.Palette, c)
		}
		index[c] = known[like]
	}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			small.SetColorIndex(x, y, index[full.At(x, y)])
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
