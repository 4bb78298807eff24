//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ownLike gives a new file the owner and the mode of the one whose place it takes: otherwise the daemon could not open it. Where there is none,
// root gives it to the owner of the folder.
func ownLike(file, place string) error {
	there, err := os.Stat(place)
	mode, must := fs.FileMode(0o600), false
	switch {
	case err == nil:
		mode, must = there.Mode().Perm(), true
	case errors.Is(err, fs.ErrNotExist):
		there, err = os.Stat(filepath.Dir(place))
	}
	made, errMade := os.Stat(file)
	if err := errors.Join(err, errMade); err != nil {
		return err
	}
	owner, mine := there.Sys().(*syscall.Stat_t), made.Sys().(*syscall.Stat_t)
	if (must || os.Getuid() == 0) && (owner.Uid != mine.Uid || owner.Gid != mine.Gid) {
		if err := os.Chown(file, int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("the new file cannot have the owner of %s; do this as root, or as that user: %w", place, err)
		}
	}
	return os.Chmod(file, mode)
}
