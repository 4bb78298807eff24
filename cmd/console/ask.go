package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"qualifyd/cmd/desk"
)

// ErrNobody is returned when no daemon listens for the store.
var ErrNobody = errors.New("no running qualifyd listens for this store")

// Failed is an error that a running daemon answered with.
type Failed struct {
	Code int    `json:"code"` // the exit code that the command ends with
	Text string `json:"text"`
}

func (f *Failed) Error() string { return f.Text }

// Ask asks the running daemon of a store. It returns ErrNobody where none listens on any of the sockets, and a [*Failed] where the daemon
// answered with an error.
func Ask[Q, A any](ctx context.Context, sockets []string, storePath string, q desk.Question[Q, A], request Q, progress desk.Progress) (A, error) {
	var answer A
	resp, err := reach(ctx, sockets, storePath, "/ask/"+q.Name(), request)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	raw, err := receive(ctx, resp, progress)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("%s: the daemon's answer cannot be read, it is perhaps of another version; what was asked has been done: %w", q.Name(), err)
	}
	return answer, nil
}

// reach makes a request of the daemon that has a store, at whichever of the sockets it listens.
func reach(ctx context.Context, sockets []string, storePath, route string, request any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", route, err)
	}
	none := ErrNobody
	for _, path := range sockets {
		resp, err := post(ctx, path, storePath, route, body)
		switch {
		case err == nil && resp.StatusCode == http.StatusMisdirectedRequest:
			none = fmt.Errorf("%w: at %s, %w", ErrNobody, path, plain(resp))
			resp.Body.Close()
		case nobody(err):
		case errors.Is(err, os.ErrPermission): // it may be another store's
			none = fmt.Errorf("%w that you may ask: %s is its service's user's and group's", ErrNobody, path)
		case err != nil:
			return nil, brokenOff(ctx, err)
		default:
			return resp, nil
		}
	}
	return nil, none
}

// brokenOff is what there is to say where an answer did not come, or not to its end: the daemon may have done what was asked.
func brokenOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted before the daemon had answered; what was asked may have been done all the same: %w", ctx.Err())
	}
	return fmt.Errorf("the daemon broke off its answer, perhaps because it stops; what was asked may have been done: %w", err)
}

// nobody tells whether an error means that no daemon listens on a socket: there is none, its daemon was killed, or the path is too long for
// one (EINVAL).
func nobody(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EINVAL)
}

func post(ctx context.Context, path, storePath, route string, body []byte) (*http.Response, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://qualifyd"+route, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set(storeHeader, storePath)
	req.Header.Set(sudoHeader, os.Getenv("SUDO_USER"))
	return transport.RoundTrip(req)
}

// plain is the error that an answer is which is no answer to the question.
func plain(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if said := strings.TrimSpace(string(text)); said != "" {
		return errors.New(said)
	}
	return fmt.Errorf("the daemon answered %d, and says nothing more", resp.StatusCode)
}

// receive reads an answer to its end, and passes progress on.
func receive(ctx context.Context, resp *http.Response, progress desk.Progress) (json.RawMessage, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, plain(resp)
	}
	lines := json.NewDecoder(resp.Body)
	for {
		var one line
		if err := lines.Decode(&one); err != nil {
			return nil, brokenOff(ctx, err)
		}
		switch {
		case one.Failed != nil:
			return nil, one.Failed
		case one.Answer != nil:
			return one.Answer, nil
		case one.Progress == nil:
			return nil, brokenOff(ctx, errors.New("a line of it says nothing"))
		case progress != nil:
			progress(one.Progress.Work, one.Progress.Done, one.Progress.Total)
		}
	}
}
