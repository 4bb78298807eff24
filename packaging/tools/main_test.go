package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestALicenceIsKnownByItsSentences(t *testing.T) {
	const (
		bsd = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted"
		mit = "Permission is hereby granted, free of charge, to any person obtaining\na copy"
	)
	for want, texts := range map[string]string{
		"MIT":                mit,
		"BSD-2-Clause":       bsd,
		"BSD-3-Clause":       bsd + "... nor the names of its\ncontributors may be used to endorse or promote products",
		"Apache-2.0 AND MIT": mit + " Licensed under the Apache License, Version 2.0 (the \"License\")",
		"":                   "All rights reserved.",
	} {
		if got := recognise(texts); got != want {
			t.Errorf("%q: got %q, want %q", texts, got, want)
		}
	}
}

// The test's own program has the standard library in it, and no module.
func TestAProgramsPartsAreListedWithTheirLicences(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	folder := t.TempDir()
	if err := run(program, "1.2.3~rc1", folder); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(folder, "third-party.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(list); !strings.Contains(got, "BSD-3-Clause\n") || !strings.Contains(got, "The Go Authors") {
		t.Errorf("got the list %q, want the standard library's licence with its text in it", got)
	}
	text, err := os.ReadFile(filepath.Join(folder, "sbom.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if got, want := b.Metadata.Component.URL, "pkg:golang/qualifyd@1.2.3%7Erc1"; got != want {
		t.Errorf("the program: got %s, want %s", got, want)
	}
	if got, want := b.Metadata.Timestamp, "2023-11-14T22:13:20Z"; got != want {
		t.Errorf("the time: got %s, want %s", got, want)
	}
	if len(b.Components) != 1 || b.Components[0].Name != "std" {
		t.Errorf("got the components %+v, want the standard library", b.Components)
	}
}
