package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"qualifyd/cmd/desk"
	"qualifyd/sync/logged"
)

// A stream's length is not known before its end. What came is whole when it has the digest of the trailer; a stream that was cut has none, and one
// that went wrong has the error instead.
const (
	digestTrailer = "Qualifyd-Sha256"
	failedTrailer = "Qualifyd-Failed"
)

// streamWithin is how long a stream may take. A backup holds a reading transaction open, and the store's file grows meanwhile; so the command
// writes it to a disk, and what is slower comes after that.
const streamWithin = 10 * time.Minute

// stream answers with bytes instead of lines.
func (a *asking) stream(w http.ResponseWriter, r *http.Request, name string, request []byte) {
	by := desk.NewAsker(peerOf(r), r.Header.Get(sudoHeader))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(streamWithin)) // a unix socket has deadlines
	w.Header().Set("Trailer", digestTrailer+", "+failedTrailer)
	sum := sha256.New()
	err := a.write(r.Context(), name, request, io.MultiWriter(w, sum))
	if err != nil {
		w.Header().Set(failedTrailer, strings.Join(strings.Fields(err.Error()), " "))
	} else {
		w.Header().Set(digestTrailer, hex.EncodeToString(sum.Sum(nil)))
	}
	a.log.Info().Str(logged.Stream, name).Str(logged.By, by.Name).Err(err).Msg("sent on the control socket")
}

// write survives a panic, as answer does.
func (a *asking) write(ctx context.Context, name string, request []byte, out io.Writer) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			a.log.Error().Interface(logged.Panic, cause).Str(logged.Stream, name).Msg("a question made the program panic; the daemon goes on")
			err = fmt.Errorf("%s: the daemon could not answer; its log says more", name)
		}
	}()
	return desk.FindStream(name).WriteJSON(ctx, a.desk.Load(), request, out)
}

// Fetch has the running daemon of a store write a stream to out. It returns ErrNobody where none listens; after any other error what out got is not
// whole.
func Fetch[Q any](ctx context.Context, sockets []string, storePath string, s desk.Stream[Q], request Q, out io.Writer) error {
	resp, err := reach(ctx, sockets, storePath, "/stream/"+s.Name(), request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return plain(resp)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), resp.Body)
	switch failed := resp.Trailer.Get(failedTrailer); {
	case err != nil:
		return fmt.Errorf("%s, after %d bytes: %w", s.Name(), n, err)
	case failed != "":
		return errors.New(failed)
	case resp.Trailer.Get(digestTrailer) != hex.EncodeToString(sum.Sum(nil)):
		return fmt.Errorf("%s: what came, %d bytes, is not what the daemon sent", s.Name(), n)
	}
	return nil
}
