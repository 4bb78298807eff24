package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"qualifyd/store"
)

// Stream is a question whose answer is a file, of whatever length. Like a [Question] it is answered by the same code through the control socket
// and on the file of a stopped daemon.
type Stream[Q any] struct {
	name  string
	write func(ctx context.Context, d *Desk, q Q, out io.Writer) error
}

// Name is how the stream is called on the control socket.
func (s Stream[Q]) Name() string { return s.name }

// Write writes the answer to a request.
func (s Stream[Q]) Write(ctx context.Context, d *Desk, request Q, out io.Writer) error {
	return s.write(ctx, d, request, out)
}

// WriteJSON writes the answer to a request that came as JSON.
func (s Stream[Q]) WriteJSON(ctx context.Context, d *Desk, request []byte, out io.Writer) error {
	var decoded Q
	if err := json.Unmarshal(request, &decoded); err != nil {
		return fmt.Errorf("%s: the request cannot be read: %w", s.name, err)
	}
	return s.Write(ctx, d, decoded, out)
}

// Streamed is a Stream whatever its type is.
type Streamed interface {
	WriteJSON(ctx context.Context, d *Desk, request []byte, out io.Writer) error
}

// FindStream finds a stream by its name; nil where there is none.
func FindStream(name string) Streamed {
	switch name {
	case BackupStream.name:
		return BackupStream
	case LedgerStream.name:
		return LedgerStream
	}
	return nil
}

// BackupStream is the store's file, as it is at one instant.
var BackupStream = Stream[Nothing]{name: "backup", write: func(_ context.Context, d *Desk, _ Nothing, out io.Writer) error {
	return d.Store.Backup(out)
}}

// CheckQuestion asks whether the store is whole. Where it cannot even be opened, its file is looked at.
var CheckQuestion = Question[Nothing, store.Report]{name: "check", storeless: true,
	answer: func(_ context.Context, d *Desk, _ Asker, _ Nothing, progress Progress) (store.Report, error) {
		if d.Store == nil {
			return store.CheckFile(d.Config.Store.Path, store.Progress(progress))
		}
		return d.Store.Check(store.Progress(progress))
	}}
