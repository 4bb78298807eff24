package desk

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

// FuzzPins: each row of a file of pins is read as it stands there or is told as a problem; rows that are written down plainly are read the same.
func FuzzPins(f *testing.F) {
	for _, file := range []string{
		"id,record\n1001,00Q000000000001EAA\n1002,00Q000000000002EAA", "\ufeffCode;Record ID\r\ncode1001;00Q000000000001EAA\r\n", "REFERRAL\tRecord_Id\ncode1001\t00Q000000000001\n",
		"\"Name\",\"code\",\"record-id\",\"Notes\"\n\"Smith, Ann\",\"code1001\",\"00Q000000000001EAA\",\"says \"\"yes\"\"\nsoon\"\n\nBob,code1002, 00Q000000000002EAA ,\n,,,\n",
		"name,id,record\nJ\xfcrgen,1001,00Q000000000001EAA\n", "id,code,record\n1001,Code1001,x\n", "id,record,email\n1001,x,other@example.com\n,y,\n1002,,ann@example.com\n",
		"id,record,record_id\n1,a,b\n", "id,record\n1,2,3\n", "id,record\n\xff,1\n", "id,record\n1,\"open\n2,3\n", "id,id,record\n", "\xff\xfei\x00d\x00", "id;record,email\n", "",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		rows, problems := readPins(file)
		if len(rows)+len(problems) == 0 {
			t.Fatalf("%q has no rows, and no problem says so", file)
		}
		lines := bytes.Count(file, []byte("\n")) + 1
		at := 1
		for _, row := range rows {
			if len(row.referrals) == 0 || row.record.text == "" || row.email != (row.record.column == "email") || row.line <= at || row.line > lines {
				t.Errorf("%q: got the row %+v", file, row)
			}
			at = row.line
			for _, c := range append(slices.Clone(row.referrals), row.record) {
				written := strings.ReplaceAll(c.text, `"`, `""`)
				if !strings.ContainsAny(c.text, "\r\n") && !bytes.Contains(file, []byte(written)) && !bytes.Contains(file, []byte(c.text)) {
					t.Errorf("%q: got %q in %s, which it does not say", file, c.text, c.column)
				}
			}
		}
		for _, p := range problems {
			if p.Text == "" || p.Line < 1 || p.Line > lines {
				t.Errorf("%q: got the problem %+v", file, p)
			}
		}
		wantEachRow(t, file, rows, problems)
		wantSameRows(t, rows)
	})
}

// wantEachRow wants every row of a file that is CSV to its end, but the empty ones, to be read or be a problem.
func wantEachRow(t *testing.T, file []byte, rows []pinRow, problems []Problem) {
	t.Helper()
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\ufeff"))))
	in.Comma, in.FieldsPerRecord = separator(bytes.TrimPrefix(file, []byte("\ufeff"))), -1
	all, err := in.ReadAll()
	if err != nil || len(all) == 0 || slices.ContainsFunc(problems, func(p Problem) bool { return p.Line == 1 }) {
		if len(problems) == 0 {
			t.Errorf("%q is read without a problem: %v", file, err)
		}
		return
	}
	filled := 0
	for _, record := range all[1:] {
		if strings.TrimSpace(strings.Join(record, "")) != "" {
			filled++
		}
	}
	if len(rows)+len(problems) != filled {
		t.Errorf("%q: got %d rows and %d problems of %d rows that say something", file, len(rows), len(problems), filled)
	}
}

// wantSameRows writes rows as a spreadsheet would, and reads them.
func wantSameRows(t *testing.T, rows []pinRow) {
	t.Helper()
	header := append(slices.Clone(referralColumns), recordColumns...)
	var file bytes.Buffer
	out := csv.NewWriter(&file)
	_ = out.Write(header) // a buffer takes everything
	for _, row := range rows {
		cells := make([]string, len(header))
		for _, c := range append(slices.Clone(row.referrals), row.record) {
			if strings.Contains(c.text, "\r") {
				return // CSV keeps no lone carriage return
			}
			cells[slices.Index(header, c.column)] = c.text
		}
		_ = out.Write(cells)
	}
	out.Flush()
	again, problems := readPins(file.Bytes())
	if len(rows) > 0 && len(problems) > 0 || len(again) != len(rows) {
		t.Fatalf("rows %+v written as %q: got %+v, %+v", rows, &file, again, problems)
	}
	for i := range rows {
		a, b := rows[i], again[i]
		byColumn := func(x, y cell) int { return slices.Index(header, x.column) - slices.Index(header, y.column) }
		slices.SortFunc(a.referrals, byColumn)
		if !slices.Equal(a.referrals, b.referrals) || a.record != b.record || a.email != b.email {
			t.Errorf("row %+v written as %q is read as %+v", a, &file, b)
		}
	}
}
