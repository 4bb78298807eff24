package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Backup writes the store's file, as it is at one instant, to out. Writers go on meanwhile; but what they free stays until the end, so that the
// file grows while a backup is under way: out has to be fast, or to give up.
func (s *Store) Backup(out io.Writer) error {
	if err := s.view(func(tx *bolt.Tx) error { _, err := tx.WriteTo(out); return err }); err != nil {
		return fmt.Errorf("backup of the store: %w", err)
	}
	return nil
}

// Keep has write fill a new file, and gives it its name once it is found to be a whole store: until then, and when anything goes wrong, there
// is no such file, or the one that was there before. It replaces a file only if told to.
func Keep(path string, replace bool, write func(io.Writer) error, progress Progress) (Report, error) {
	switch there, err := os.Stat(path); {
	case err == nil && !there.Mode().IsRegular(): // a device, say, which others use
		return Report{}, fmt.Errorf("%s is no file", path)
	case err == nil && !replace:
		return Report{}, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	temp, err := fill(path, write)
	if err != nil {
		return Report{}, err
	}
	defer os.Remove(temp)
	report, err := CheckFile(temp, progress)
	if err == nil {
		err = report.Err()
	}
	if err == nil {
		err = name(temp, path, replace)
	}
	return report, err
}

// fill has write fill a new file beside a path, and returns the file's name once it is on the disk.
func fill(path string, write func(io.Writer) error) (temp string, err error) {
	f, err := newFile(path)
	if err != nil {
		return "", err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// newFile makes a file beside a path, with a name of its own: with a common one, the first who finishes could give the final name to the half file of
// the second. What is left there by whoever was killed goes first: it is as large as a store, holds people's names, and nothing else would ever remove it.
func newFile(path string) (*os.File, error) {
	folder, prefix := filepath.Dir(path), filepath.Base(path)+".new-"
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrPermission) { // one may write into a folder that one may not list
		return nil, err
	}
	for _, entry := range entries {
		number, ours := strings.CutPrefix(entry.Name(), prefix)
		if _, err := strconv.ParseUint(number, 10, 64); !ours || err != nil {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > abandonedAfter {
			_ = os.Remove(filepath.Join(folder, entry.Name())) // it may be somebody else's, and keeps nobody from going on
		}
	}
	return os.CreateTemp(folder, prefix+"*")
}

// abandonedAfter is far longer than anybody takes who writes such a file, or checks one.
const abandonedAfter = 24 * time.Hour

// resolved is the file that a path leads to. A store may be on another disk, behind a link: what takes its place has to be there as well.
func resolved(path string) string {
	if file, err := filepath.EvalSymlinks(path); err == nil {
		return file
	}
	switch to, err := os.Readlink(path); { // the link may be there before the file
	case err != nil:
		return path
	case filepath.IsAbs(to):
		return to
	default:
		return filepath.Join(filepath.Dir(path), to)
	}
}

// name gives a finished file its name, which survives a power cut from then on.
func name(temp, path string, replace bool) error {
	err := error(nil)
	if replace {
		err = os.Rename(temp, path)
	} else if err = os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		err = renameToNew(temp, path) // not every file system has links
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func renameToNew(temp, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s: %w", path, fs.ErrExist), err)
	}
	return os.Rename(temp, path)
}
