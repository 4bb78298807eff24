package simulation

import (
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"qualifyd/store"
)

var (
	imagesWanted = flag.Int64("images", 0, "go through so many images of power cuts")
	oneCommit    = flag.Int("commit", 0, "with -seed: all images of this commit only")
)

// A power cut leaves of what was not synced yet any part, in any order, and writes torn in the middle. The images are those of whole histories:
// whatever is left opens, is a whole store, and holds exactly what the last acknowledged commit made it hold, or the one under way.
func TestAPowerCutLeavesTheStoreAsItWasBeforeOrAfterTheCommitUnderWay(t *testing.T) {
	seeds, everyCommit := uint64(6), 24
	if testing.Short() || raceDetector {
		seeds, everyCommit = 2, 60
	}
	from := *firstOf
	if *oneSeed >= 0 {
		seeds, from, everyCommit = 1, uint64(*oneSeed), 1
	}
	var sum imageTally
	t.Cleanup(func() { t.Log(&sum) })
	t.Run("seed", func(t *testing.T) {
		for seed := range seeds {
			t.Run(fmt.Sprint(from+seed), func(t *testing.T) {
				t.Parallel()
				cutPower(t, from+seed, everyCommit, &sum)
			})
		}
	})
}

// The same for as many images as one likes, on all cores: `make images`. It says how far it has come, and ends with the first image that is not as
// it should be.
func TestPowerCuts(t *testing.T) {
	if *imagesWanted == 0 {
		t.Skip("make images")
	}
	var sum imageTally
	var next atomic.Uint64
	next.Store(*firstOf)
	began := time.Now()
	t.Run("on", func(t *testing.T) {
		for core := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(core), func(t *testing.T) {
				t.Parallel()
				for !t.Failed() && sum.images.Load() < *imagesWanted {
					cutPower(t, next.Add(1)-1, 4, &sum)
					sum.tellSometimes(began)
				}
			})
		}
	})
	fmt.Printf("%7s  %v\n", time.Since(began).Round(time.Second), &sum)
}

// imageTally is what many images were.
type imageTally struct {
	seeds, commits, images, torn, under atomic.Int64
	mu                                  sync.Mutex
	told                                time.Time
}

func (s *imageTally) String() string {
	return fmt.Sprintf("%d images of %d commits in %d histories; %d writes torn; %d images hold the commit that was under way",
		s.images.Load(), s.commits.Load(), s.seeds.Load(), s.torn.Load(), s.under.Load())
}

// tellSometimes prints how far it has come, every ten seconds.
func (s *imageTally) tellSometimes(began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.told) > 10*time.Second {
		s.told = time.Now()
		run := time.Since(began)
		fmt.Printf("%7s  %v; %.0f images a second\n", run.Round(time.Second), s, float64(s.images.Load())/run.Seconds())
	}
}

// recorded is a seed's history, with how the store's file came about.
func recorded(t *testing.T, seed uint64) *recording {
	t.Helper()
	r := &recording{}
	synctest.Test(t, func(t *testing.T) { newWorld(t, seed, r).live() })
	return r
}

// cutPower goes through images of a seed's history, of one in so many of its commits.
func cutPower(t *testing.T, seed uint64, every int, sum *imageTally) {
	t.Helper()
	c := &cutter{t: t, seed: seed, sum: sum, path: filepath.Join(folder(t), "qualifyd.db")}
	var err error
	if c.disk, err = os.OpenFile(c.path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		t.Fatal(err)
	}
	defer c.disk.Close()
	sum.seeds.Add(1)
	dice := rand.New(rand.NewPCG(seed, 20261129))
	for _, l := range recorded(t, seed).lives {
		p := &platter{content: l.content, size: l.size}
		for _, steps := range l.commits {
			c.commit++
			chosen := dice.IntN(every) == 0
			if *oneCommit > 0 {
				chosen = c.commit == *oneCommit
			}
			if chosen {
				c.cutCommit(p, steps)
			} else {
				for _, s := range steps {
					p.do(s)
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}

// cutter goes through the images of a history.
type cutter struct {
	t      *testing.T
	seed   uint64
	commit int // the number of the commit under way, in its history
	sum    *imageTally
	path   string
	disk   *os.File
	buffer []byte
}

// held is what a store holds: a hash of all its keys and values.
type held uint64

// cutCommit cuts the power at each moment of a commit at which more may be on the disk than before.
func (c *cutter) cutCommit(p *platter, steps []step) {
	c.sum.commits.Add(1)
	before := c.whole(p)
	done := &platter{p.content, p.size, append([]step(nil), p.pending...)}
	for _, s := range steps {
		done.do(s)
	}
	after := c.whole(done)
	dice := rand.New(rand.NewPCG(c.seed, uint64(c.commit)))
	moment, may := "before the commit", []held{before}
	c.cut(moment, may, p.nothing())
	for _, s := range steps {
		if c.t.Failed() {
			return
		}
		if s.deed == synced {
			c.cut(moment, may, p.images(dice)...)
		}
		p.do(s)
		switch {
		case s.isMeta():
			moment, may = "when the meta page was written", []held{before, after}
		case s.deed == grew:
			moment = "when the file grew"
		case s.deed == wrote:
			moment = "when pages were written"
		}
	}
	c.cut("once the commit was acknowledged", []held{after}, append(p.images(dice), p.nothing())...)
}

// whole is what the store holds with all that was done so far. It has to be a whole store.
func (c *cutter) whole(p *platter) held {
	is, err := c.look(p.everything(), func(s *store.Store) error {
		report, err := s.Check(nil)
		return errors.Join(err, report.Err())
	})
	if err != nil {
		c.t.Fatalf("seed %d, commit %d: with all that was written: %v", c.seed, c.commit, err)
	}
	return is
}

// cut makes sure that each image is a whole store which holds one of what it may hold.
func (c *cutter) cut(moment string, may []held, images ...*image) {
	for _, i := range images {
		is, err := c.look(i, nil)
		c.sum.images.Add(1)
		c.sum.torn.Add(int64(i.torn()))
		if err == nil && len(may) > 1 && is == may[1] {
			c.sum.under.Add(1)
		}
		if err == nil && !slices.Contains(may, is) {
			err = errors.New("it is whole, and does not hold what it held after the last acknowledged commit, or the one under way")
		}
		if err != nil {
			c.report(i, moment, err)
			return
		}
	}
}

func (c *cutter) report(i *image, moment string, err error) {
	content, size := i.file(nil)
	kept := filepath.Join(c.t.ArtifactDir(), fmt.Sprintf("seed-%d-commit-%d.db", c.seed, c.commit))
	if e := os.WriteFile(kept, content, 0o600); e == nil {
		_ = os.Truncate(kept, size)
	}
	c.t.Errorf("seed %d, commit %d: the power is cut %s: got %v\nof what was not synced there is: %v\nthe image: %s (kept with -artifacts)",
		c.seed, c.commit, moment, err, i, kept)
}

// look opens an image as the daemon would, and says what the store in it holds. Everything is checked that is at such a start, then all pages by
// bbolt, and more where there is more to check.
func (c *cutter) look(i *image, more func(*store.Store) error) (is held, err error) {
	content, size := i.file(c.buffer)
	c.buffer = content
	_, wrote := c.disk.WriteAt(content, 0)
	if err := errors.Join(wrote, c.disk.Truncate(int64(len(content))), c.disk.Truncate(size)); err != nil {
		c.t.Fatal(err)
	}
	s, err := store.OpenToWork(c.path)
	if err != nil {
		return 0, fmt.Errorf("it does not open: %w", err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil { // the store stays open, and the test ends
			is, err = 0, fmt.Errorf("it makes bbolt panic: %v", p)
		}
	}()
	if is, err = read(s); err == nil && more != nil {
		err = more(s)
	}
	return is, errors.Join(err, s.Close())
}

var seedOfHashes = maphash.MakeSeed()

// read says what a store holds, and has bbolt check its pages. The store shows bbolt to nobody, so it is reached behind its back.
func read(s *store.Store) (held, error) {
	field := reflect.ValueOf(s).Elem().FieldByName("db")
	db := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
	begun := db.MethodByName("Begin").Call([]reflect.Value{reflect.ValueOf(false)})
	if err, _ := begun[1].Interface().(error); err != nil {
		return 0, err
	}
	tx := begun[0]
	defer tx.MethodByName("Rollback").Call(nil)
	var problems []error
	for found := tx.MethodByName("Check").Call(nil)[0]; ; {
		problem, more := found.Recv()
		if !more {
			break
		}
		problems = append(problems, fmt.Errorf("bbolt says: %v", problem))
	}
	var sum maphash.Hash
	sum.SetSeed(seedOfHashes)
	each := tx.MethodByName("ForEach")
	each.Call([]reflect.Value{reflect.MakeFunc(each.Type().In(0), func(args []reflect.Value) []reflect.Value {
		addBucket(&sum, args[0].Bytes(), args[1].Interface().(bucket))
		return []reflect.Value{reflect.Zero(each.Type().Out(0))}
	})})
	return held(sum.Sum64()), errors.Join(problems...)
}

// bucket is what is needed of bbolt's.
type bucket interface {
	ForEach(func(k, v []byte) error) error
}

func addBucket(sum *maphash.Hash, name []byte, b bucket) {
	add := func(k, v []byte) error {
		for _, part := range [][]byte{name, k, v} {
			maphash.WriteComparable(sum, len(part))
			sum.Write(part)
		}
		return nil
	}
	_ = b.ForEach(add) // of what add returns
}
