package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"qualifyd/cmd/config"
)

// place is where the config is written; a link to it stays one.
func (s *setup) place() string {
	if path, err := filepath.EvalSymlinks(s.path); err == nil {
		return path
	}
	return s.path
}

// checkPlace says before the first question what would keep the answers from being written after the last.
func (s *setup) checkPlace() error {
	folder := filepath.Dir(s.place())
	info, statErr := os.Stat(s.place())
	err := unix.Access(folder, unix.W_OK|unix.X_OK)
	switch {
	case statErr == nil && !info.Mode().IsRegular():
		return usageError{fmt.Errorf("%s is no ordinary file; --config names the file to write", s.path)}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no folder %s; make it (mkdir -p %[1]s), or name another file with --config", folder)
	case err != nil:
		return fmt.Errorf("the folder %s cannot be written to (%w); run this as a user who may, or name another file with --config", folder, err)
	}
	return nil
}

// save writes the config and the secrets that were typed: first beside their places, where the whole is checked, then into them.
func (s *setup) save(ctx context.Context) error {
	path := s.place()
	folder := filepath.Dir(path)
	var staged []string
	defer func() {
		for _, name := range staged {
			os.Remove(name) // what was moved is not there any more
		}
	}()
	stage := func(name, text string, mode fs.FileMode) (string, error) {
		temporary, err := writeBeside(filepath.Join(folder, name), text, mode)
		staged = append(staged, temporary)
		return temporary, err
	}
	var moves [][2]string
	for _, f := range s.typed {
		temporary, err := stage(f.name, f.text+"\n", secretMode(folder))
		if err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		*f.key = filepath.Base(temporary)
		moves = append(moves, [2]string{temporary, filepath.Join(folder, f.name)})
	}
	draft, err := s.text()
	if err != nil {
		return err
	}
	if draft, err = stage(filepath.Base(path), draft, 0o644); err != nil {
		return fmt.Errorf("write the config: %w", err)
	}
	if err := s.check(ctx, draft); err != nil {
		return err
	}
	for _, f := range s.typed {
		*f.key = f.name
	}
	final, err := s.text()
	if err != nil {
		return err
	}
	if final, err = stage(filepath.Base(path), final, 0o644); err != nil {
		return fmt.Errorf("write the config: %w", err)
	}
	return s.move(append(moves, [2]string{final, path}))
}

// check has the draft read and tried as the command "config check --online" would.
func (s *setup) check(ctx context.Context, draft string) error {
	c, warnings, err := config.Load(draft)
	var wrong *config.Problems
	if errors.As(err, &wrong) {
		wrong.Path = s.path // people know nothing of the draft
	}
	if err != nil {
		return err
	}
	if len(c.Campaigns) != len(s.config.Campaigns) {
		items, err := campaignItems(s.config.Campaigns[s.had:], "  ")
		return errors.Join(err, fmt.Errorf("%s writes its campaigns in one line; add this by hand, and run qualifyd config check --online:\n%s", s.path, items))
	}
	for _, w := range warnings {
		fmt.Fprintf(s.app.err, "warning: %s\n", w)
	}
	if s.salesforce == nil {
		return nil
	}
	return s.checkOnline(ctx, c)
}

// move puts the files into their places, the config last. What was not there before is taken away again when that fails.
func (s *setup) move(moves [][2]string) error {
	var made []string
	for _, m := range moves {
		err := s.moveOne(m[0], m[1])
		if err == nil {
			made = append(made, m[1])
			continue
		}
		if !s.force && s.before == "" {
			for _, path := range made {
				os.Remove(path)
			}
		}
		return err
	}
	return syncFolder(filepath.Dir(moves[0][1]))
}

// moveOne never replaces a file, unless it may.
func (s *setup) moveOne(from, to string) error {
	if s.force || s.before != "" {
		return os.Rename(from, to)
	}
	return os.Link(from, to) // unlike a rename, it fails where something is
}

// secretMode is for a secret in a folder. One that gives its group to what is made in it, as the packages make /etc/qualifyd, lets the group read:
// root writes there for the service.
func secretMode(folder string) fs.FileMode {
	info, err := os.Stat(folder)
	if err == nil && info.Mode()&fs.ModeSetgid != 0 && info.Mode().Perm()&0o007 == 0 {
		return 0o640
	}
	return 0o600
}

// writeBeside writes a file with a name of its own in the folder of path, to the disk. It is as the file at path was, if there is one.
func writeBeside(path, text string, mode fs.FileMode) (string, error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = likeThere(file, path, mode)
	}
	if err == nil {
		err = file.Sync()
	}
	return file.Name(), errors.Join(err, file.Close())
}

func likeThere(file *os.File, path string, mode fs.FileMode) error {
	info, err := os.Stat(path)
	if err != nil {
		return file.Chmod(mode)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return file.Chmod(info.Mode().Perm() & (mode | 0o640)) // a secret is never opened to everybody
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// text is the whole config.
func (s *setup) text() (string, error) {
	if s.before == "" {
		return configText(s.config)
	}
	return withItems(s.before, s.config.Campaigns[s.had:])
}
