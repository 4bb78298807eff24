// Command tools writes what a package says of the program in it: the licences of everything that is linked in, with their texts, and a bill of
// materials (CycloneDX). Both are made from the program itself, so they hold for it and no other.
//
//	go run . PROGRAM VERSION FOLDER
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: tools PROGRAM VERSION FOLDER")
		os.Exit(64)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "tools:", err)
		os.Exit(1)
	}
}

func run(program, version, folder string) error {
	parts, err := linkedIn(program)
	if err != nil {
		return err
	}
	bom, err := billOfMaterials(program, version, parts)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "third-party.txt"), []byte(licences(parts)), 0o644),
		os.WriteFile(filepath.Join(folder, "sbom.cdx.json"), bom, 0o644))
}

// part is a module that is linked in, or Go's standard library.
type part struct {
	path, version string
	sum           string // of go.sum; "" for the standard library
	licence       string // an SPDX expression
	texts         []text
}

type text struct{ file, content string }

// linkedIn are the parts of a program, with their licences.
func linkedIn(program string) ([]part, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("what is linked into %s: %w", program, err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("where the standard library is: %w", err)
	}
	std := part{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}
	if err := std.readLicence(strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	parts := []part{std}
	for _, module := range info.Deps {
		p, err := modulePart(module)
		if err != nil {
			return nil, fmt.Errorf("the licence of %s: %w", module.Path, err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func modulePart(module *debug.Module) (part, error) {
	if module.Replace != nil {
		module = module.Replace
	}
	p := part{path: module.Path, version: module.Version, sum: module.Sum}
	out, err := exec.Command("go", "mod", "download", "-json", module.Path+"@"+module.Version).Output()
	if err != nil {
		return p, fmt.Errorf("go mod download: %w", err)
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return p, err
	}
	return p, p.readLicence(downloaded.Dir)
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// readLicence reads what a module's folder says of licences. A part whose licence we do not recognise is an error: somebody has to read it.
func (p *part) readLicence(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var all strings.Builder
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return err
		}
		p.texts = append(p.texts, text{entry.Name(), string(content)})
		all.Write(content)
	}
	if p.licence = recognise(all.String()); p.licence == "" {
		return fmt.Errorf("%s %s: none that we know, in %s", p.path, p.version, folder)
	}
	return nil
}

// Sentences by which a licence is known.
var sentences = []struct{ id, has string }{
	{"Apache-2.0", "Licensed under the Apache License, Version 2.0"},
	{"Apache-2.0", "Apache License Version 2.0, January 2004"},
	{"MPL-2.0", "Mozilla Public License, version 2.0"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose"},
	{"BSD-3-Clause", "contributors may be used to endorse or promote products"},
	{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
}

// recognise gives the SPDX expression of licence texts; "" where it knows none.
func recognise(texts string) string {
	words := strings.Join(strings.Fields(texts), " ")
	var found []string
	for _, s := range sentences {
		known := slices.Contains(found, s.id) || s.id == "BSD-2-Clause" && slices.Contains(found, "BSD-3-Clause") // its first two clauses
		if !known && strings.Contains(words, s.has) {
			found = append(found, s.id)
		}
	}
	return strings.Join(found, " AND ")
}

// licences is the list for people, with every text in full.
func licences(parts []part) string {
	var out strings.Builder
	out.WriteString("The program qualifyd contains the following, each under its own licence. The texts are below.\n\n")
	for _, p := range parts {
		fmt.Fprintf(&out, "%-50s %-45s %s\n", p.path, p.version, p.licence)
	}
	for _, p := range parts {
		for _, t := range p.texts {
			fmt.Fprintf(&out, "\n%s\n%s %s: %s\n%s\n\n%s\n", strings.Repeat("=", 80), p.path, p.version, t.file, strings.Repeat("=", 80), strings.TrimSpace(t.content))
		}
	}
	return out.String()
}

// The parts of CycloneDX 1.6 that we use.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		URL        string     `json:"purl"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licenses   []license  `json:"licenses"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	license struct {
		Expression string `json:"expression"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn"`
	}
)

func billOfMaterials(program, version string, parts []part) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	sum := sha256.Sum256(content)
	own := component{
		Type: "application", Ref: "qualifyd", Name: "qualifyd", Version: version, URL: packageURL("qualifyd", version),
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}}, Licenses: []license{{"Apache-2.0"}},
	}
	all := bom{Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{time.Unix(seconds, 0).UTC().Format(time.RFC3339), own}}
	uses := dependency{Ref: own.Ref}
	for _, p := range parts {
		url := packageURL(p.path, p.version)
		one := component{Type: "library", Ref: url, Name: p.path, Version: p.version, URL: url, Licenses: []license{{p.licence}}}
		if p.sum != "" {
			one.Properties = []property{{"go.sum", p.sum}}
		}
		all.Components = append(all.Components, one)
		uses.On = append(uses.On, url)
	}
	all.Dependencies = []dependency{uses}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(all)
	return out.Bytes(), err
}

// packageURL names a Go module as scanners look for it.
func packageURL(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.NewReplacer("+", "%2B", "~", "%7E").Replace(version)
}
