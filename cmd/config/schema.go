package config

import _ "embed"

// Schema is the JSON schema of the config file, for editors. It is generated (make docs) from Config and from the comments of
// config.example.yaml. What it accepts may still be wrong: only [Load] knows which keys go together.
//
//go:embed config.schema.json
var Schema string
