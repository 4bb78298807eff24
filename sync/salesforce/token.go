package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// connection is what a person's login at a browser leaves behind: a refresh
// token, and what it was issued for. There is one, in one file, and nothing but
// this package reads or writes it.
type connection struct {
	RefreshToken string    `json:"refresh_token"`
	LoginURL     string    `json:"login_url"`
	ClientID     string    `json:"client_id"`
	OrgID        string    `json:"org_id"`
	ConnectedAt  time.Time `json:"connected_at"`
	// Unanswered is when the oldest refresh was sent of which no answer is known.
	// It is written before each refresh, so that it also tells of one during
	// which the process died. By the local clock, for people only.
	Unanswered time.Time `json:"unanswered_since,omitzero"`
}

// tokenFile is the path of that file. Beside it stand, by name, the lock and a
// new version on its way.
type tokenFile string

func (f tokenFile) lockPath() string { return string(f) + ".lock" }
func (f tokenFile) newPath() string  { return string(f) + ".new" }

// lockWait is longer than another process's refresh takes at worst.
const lockWait = loginTimeout + 15*time.Second

// lockPoll is how often a taken lock is tried again: flock cannot wait for a
// context.
const lockPoll = 100 * time.Millisecond

// lock makes this process, and this client of it, the only one that uses the
// refresh token. The kernel lets go of the lock when its holder dies.
func (f tokenFile) lock(ctx context.Context) (unlock func() error, err error) {
	file, err := openOwn(f.lockPath(), os.O_RDWR|os.O_CREATE)
	if err == nil {
		err = giveToFolder(file)
	}
	if err != nil {
		return nil, f.trouble(err)
	}
	bounded, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(f.trouble(err), file.Close())
		}
		select {
		case <-time.After(lockPoll):
			continue
		case <-bounded.Done():
		}
		if ctx.Err() != nil {
			return nil, errors.Join(&APIError{Op: opLogin, Kind: Stopped, Err: ctx.Err(), use: useLogin}, file.Close())
		}
		err = fmt.Errorf("another process has held %s for %s", f.lockPath(), lockWait)
		return nil, errors.Join(&APIError{Op: opLogin, Kind: Transient, Err: err, use: useLogin}, file.Close())
	}
}

// load reads the connection; the caller holds the lock. A write that was cut
// off before its rename is finished first: after a rotation, the token in it is
// the only one that lives.
func (f tokenFile) load() (connection, error) {
	if _, err := readConnection(f.newPath()); err == nil {
		if err := f.rename(); err != nil {
			return connection{}, f.trouble(err)
		}
	}
	kept, err := readConnection(string(f))
	var damaged *damagedError
	switch {
	case err == nil:
		return kept, nil
	case errors.Is(err, fs.ErrNotExist):
		return kept, noConnection(errors.New("nobody has connected qualifyd to Salesforce yet"), "run qualifyd connect")
	case errors.As(err, &damaged):
		return kept, noConnection(fmt.Errorf("%s is damaged: %w", f, err), "run qualifyd connect again, which replaces it")
	}
	return kept, f.trouble(err)
}

// damagedError is a file whose content is no connection. Its text holds nothing
// of that content.
type damagedError struct{ what string }

func (e *damagedError) Error() string { return e.what }

// maxConnection is far more than a connection is long.
const maxConnection = 64 << 10

func readConnection(path string) (connection, error) {
	var c connection
	file, err := openOwn(path, os.O_RDONLY)
	if errors.Is(err, errNotOwn) {
		return c, &damagedError{err.Error()}
	}
	if err != nil {
		return c, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxConnection))
	if err = errors.Join(err, file.Close()); err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, &damagedError{"it is not the JSON that connect writes"}
	}
	if c.RefreshToken == "" || c.LoginURL == "" || c.ClientID == "" {
		return c, &damagedError{"it lacks refresh_token, login_url or client_id"}
	}
	return c, nil
}

// store replaces the connection, durably once it returns; the caller holds the
// lock. The new file is complete before it gets its name.
func (f tokenFile) store(c connection) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return f.trouble(err)
	}
	// A left-over that is not whole is of no use, and may be somebody else's.
	if err := os.Remove(f.newPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.trouble(err)
	}
	file, err := os.OpenFile(f.newPath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return f.trouble(err)
	}
	err = giveToFolder(file)
	if err == nil {
		_, err = file.Write(append(text, '\n'))
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.rename()
	}
	return f.trouble(err)
}

func (f tokenFile) rename() error {
	if err := os.Rename(f.newPath(), string(f)); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

var errNotOwn = errors.New("it is a link or no file at all, which qualifyd does not make")

// openOwn opens a file that qualifyd made. It follows no link and waits at no
// pipe: whoever else may write to the folder could have put one there, and root
// would read, or give away, what it leads to.
func openOwn(path string, flags int) (*os.File, error) {
	file, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, errNotOwn
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotOwn
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// giveToFolder makes a file that root has made belong to the folder's owner:
// the service has to read it. A file with another name as well may be anybody's.
func giveToFolder(file *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if made := info.Sys().(*syscall.Stat_t); made.Uid != 0 || made.Nlink != 1 {
		return nil
	}
	info, err = os.Stat(filepath.Dir(file.Name()))
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

// trouble is the error for a file that cannot be used as it should be.
func (f tokenFile) trouble(cause error) error {
	folder := filepath.Dir(string(f))
	switch {
	case cause == nil:
		return nil
	case errors.Is(cause, fs.ErrPermission):
		return noConnection(cause, "run it as the owner of "+folder+", or as root")
	case errors.Is(cause, errNotOwn):
		return noConnection(fmt.Errorf("%s cannot be trusted: %w", f.lockPath(), cause), "find out who put it there, and remove it")
	case errors.Is(cause, fs.ErrNotExist):
		return noConnection(fmt.Errorf("there is no folder %s", folder), "make it, for the user that the service runs as")
	}
	return &APIError{Op: opLogin, Kind: Transient, Err: cause, use: useLogin}
}

// noConnection is a refusal of our own: without a person it will not get better.
func noConnection(cause error, hint string) *APIError {
	return &APIError{Op: opLogin, Kind: Refused, Err: cause, Hint: hint, use: useLogin}
}
