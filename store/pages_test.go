package store_test

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

// branchOf finds a page of a file that leads to others.
func branchOf(t *testing.T, file []byte) (id int, page []byte) {
	t.Helper()
	size := os.Getpagesize()
	for id := 2; (id+1)*size <= len(file); id++ {
		page := file[id*size : (id+1)*size]
		if binary.NativeEndian.Uint64(page) == uint64(id) && binary.NativeEndian.Uint16(page[8:]) == 1 && binary.NativeEndian.Uint16(page[10:]) > 1 {
			return id, page
		}
	}
	t.Fatal("the file has no page that leads to others")
	return 0, nil
}

// freePages is the page that lists the free ones, by the newer of the two meta pages.
func freePages(file []byte) []byte {
	size, order := os.Getpagesize(), binary.NativeEndian
	meta := file[16:]
	if other := file[size+16:]; order.Uint64(other[48:]) > order.Uint64(meta[48:]) {
		meta = other
	}
	at := int(order.Uint64(meta[32:])) * size
	return file[at : at+size]
}

// What bbolt would follow for ever, or write over.
func TestPagesThatMakeNoSenseAreNamed(t *testing.T) {
	order := binary.NativeEndian
	for _, test := range []struct {
		situation string
		damage    func(file []byte)
		want      string
	}{
		{"a page that leads to itself", func(file []byte) {
			id, page := branchOf(t, file)
			order.PutUint64(page[16+8:], uint64(id))
		}, "is used twice"},
		{"a used page that is said to be free", func(file []byte) {
			used, _ := branchOf(t, file)
			order.PutUint64(freePages(file)[16:], uint64(used))
		}, "is said to be free, and is used"},
		{"more free pages than there is room for", func(file []byte) {
			page := freePages(file)
			order.PutUint16(page[10:], 0xFFFF)
			order.PutUint64(page[16:], 1<<40)
		}, "should list the free pages, and does not make sense"},
		{"a page of more pages than there are", func(file []byte) {
			_, page := branchOf(t, file)
			order.PutUint32(page[12:], 1<<31)
		}, "does not make sense"},
		{"a page that leads outside", func(file []byte) {
			_, page := branchOf(t, file)
			order.PutUint64(page[16+8:], 1<<50)
		}, "is pointed to, and there are only"},
		{"a key that lies outside", func(file []byte) {
			_, page := branchOf(t, file)
			order.PutUint32(page[16:], 1<<31)
		}, "lies outside of it"},
		{"both roots gone", func(file []byte) { clear(file[:2*os.Getpagesize()]) }, "begins like no store"},
	} {
		file := []byte(content(t, furnishedStore(t, 2000)))
		test.damage(file)
		if got := check(t, written(t, file)).Problems; !strings.Contains(strings.Join(got, "\n"), test.want) {
			t.Errorf("%s: got %q, want %q", test.situation, got, test.want)
		}
	}
}
