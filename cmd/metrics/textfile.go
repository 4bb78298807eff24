package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// textfile is the file for node_exporter's textfile collector. It is replaced as a whole, so that nobody reads half of it.
type textfile struct {
	path    string // "" is none
	mu      sync.Mutex
	trouble bool
}

// write writes the file. Trouble is told when it begins and when it ends; whoever reads the file sees by its age that it is not written.
func (f *textfile) write(registry prometheus.Gatherer, log zerolog.Logger) {
	if f.path == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := prometheus.WriteToTextfile(f.path, registry)
	switch {
	case err != nil && !f.trouble:
		log.Warn().Err(err).Str("key", "metrics.textfile").Msg("the metrics cannot be written; may qualifyd write into that folder?")
	case err == nil && f.trouble:
		log.Info().Str("key", "metrics.textfile").Msg("the metrics are written again")
	}
	f.trouble = err != nil
}
