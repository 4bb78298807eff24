package metrics

import (
	"path/filepath"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"qualifyd/sync/logged"
)

// textfile is the file for node_exporter's textfile collector. It is replaced as a whole, so that nobody reads half of it.
type textfile struct {
	path    string // "" is none
	mu      sync.Mutex
	trouble bool
}

// write writes the file. Trouble is told when it begins and when it ends; whoever reads the file sees by its age that it is not written.
func (f *textfile) write(from prometheus.Gatherer, log zerolog.Logger) {
	if f.path == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := prometheus.WriteToTextfile(f.path, f.named(from))
	switch {
	case err != nil && !f.trouble:
		log.Warn().Err(err).Str(logged.Key, "metrics.textfile").Msg("the metrics cannot be written; may qualifyd write into that folder?")
	case err == nil && f.trouble:
		log.Info().Str(logged.Key, "metrics.textfile").Msg("the metrics are written again")
	}
	f.trouble = err != nil
}

// named gives every metric the file's name: node_exporter refuses the files of two qualifyds on one host where a metric of both is the same.
func (f *textfile) named(from prometheus.Gatherer) prometheus.Gatherer {
	name, value := "unit", strings.TrimSuffix(filepath.Base(f.path), ".prom")
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := from.Gather()
		for _, family := range families {
			for _, m := range family.Metric {
				m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &value})
			}
		}
		return families, err
	})
}
