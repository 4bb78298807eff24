package config

import "reflect"

// What a running daemon does with a key that changed, as the tag reload says it. A key without the tag is taken at a restart.
const (
	atReload  = "yes"     // a reload takes it
	atRefusal = "refused" // the file is read again once a service refuses the secret; no reload is needed
)

// RestartOnly names the keys that differ between two configs and that only a restart takes, in the file's order.
func RestartOnly(running, wanted Config) []string {
	return restartOnly("", reflect.ValueOf(running), reflect.ValueOf(wanted))
}

func restartOnly(path string, running, wanted reflect.Value) (keys []string) {
	for _, k := range keysOf(running.Type()) {
		at := join(path, k.name)
		is, will := running.Field(k.field), wanted.Field(k.field)
		switch {
		case k.reload == atReload, k.reload == atRefusal:
		case len(keysOf(k.kind)) > 0:
			keys = append(keys, restartOnly(at, is, will)...)
		case !is.Equal(will):
			keys = append(keys, at)
		}
	}
	return keys
}
