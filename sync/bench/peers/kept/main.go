// Command kept measures how fast bbolt alone keeps anew what a store has of each row that changed: its record's snapshot, and its referral with the verdict. It
// decodes, compares and judges nothing, so no pass that keeps both can be faster. Its arguments are a folder for the file, and how many rows; it
// prints a line "name rows/s".
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

const (
	rowsAPage = 2000 // are one transaction, as in a pass
	valueSize = 228  // bytes: half of what a referral and a snapshot take together
)

func main() {
	log.SetFlags(0)
	rows, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(os.Args[1], "kept.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	// There are twice as many as change: every second one, in the order of their keys.
	if err := keep(db, 2*rows, 1); err != nil {
		log.Fatal(err)
	}
	began := time.Now()
	if err := keep(db, rows, 2); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("bbolt alone\t%.0f\n", float64(rows)/time.Since(began).Seconds())
}

// keep stores two values for each of some rows, whose numbers are every so many.
func keep(db *bbolt.DB, rows, every int) error {
	for from := 0; from < rows; from += rowsAPage {
		err := db.Update(func(tx *bbolt.Tx) error {
			for _, name := range []string{"referral", "snapshot"} {
				bucket, err := tx.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				for i := from; i < min(from+rowsAPage, rows); i++ {
					key := fmt.Appendf(nil, "00Q5f%013d", i*every)
					value := bytes.Repeat([]byte{'x'}, valueSize)
					copy(value, bucket.Get(key))
					binary.BigEndian.PutUint64(value, uint64(every))
					if err := bucket.Put(key, value); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
