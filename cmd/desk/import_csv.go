package desk

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is what keeps a file from being imported.
type Problem struct {
	Line   int    `json:"line"` // 1 is the header
	Column string `json:"column,omitempty"`
	Text   string `json:"text"`
}

// The columns that a file of pins may have. A row names its referral by one of the first, and its record by one of the second.
var (
	referralColumns = []string{"id", "code", "referral"}
	recordColumns   = []string{"record", "record_id", "email"}
)

// pinRow is a line of the file.
type pinRow struct {
	line      int
	referrals []cell // what names the referral: one cell, or several that have to mean the same one
	record    cell   // its Id, or an e-mail address where email is set
	email     bool
}

// cell is a text in a column.
type cell struct{ column, text string }

func (c cell) problem(line int, format string, args ...any) *Problem {
	return &Problem{line, c.column, fmt.Sprintf(format, args...)}
}

// readPins reads a file of pins as spreadsheets write them, with "," or ";" or tabs between the cells, and lists what is wrong with it.
func readPins(file []byte) (rows []pinRow, problems []Problem) {
	if bytes.HasPrefix(file, []byte{0xff, 0xfe}) || bytes.HasPrefix(file, []byte{0xfe, 0xff}) {
		return nil, []Problem{{Line: 1, Text: "the file is UTF-16; save it as CSV in UTF-8"}}
	}
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	records := csv.NewReader(bytes.NewReader(file))
	records.Comma = separator(file)
	records.FieldsPerRecord = -1
	header, err := records.Read()
	if err != nil {
		return nil, []Problem{unreadable(err, "the file is empty; its first line has to name the columns")}
	}
	columns, wrong := columnsOf(header)
	if wrong != nil {
		return nil, []Problem{*wrong}
	}
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rows, append(problems, unreadable(err, "")) // who knows where the next row begins
		}
		if strings.TrimSpace(strings.Join(record, "")) == "" {
			continue
		}
		line, _ := records.FieldPos(0)
		row, wrong := readPin(line, columns, record)
		if wrong != nil {
			problems = append(problems, *wrong)
			continue
		}
		rows = append(rows, row)
	}
	if len(rows)+len(problems) == 0 {
		problems = append(problems, Problem{Line: 1, Text: "the file has no rows"})
	}
	return rows, problems
}

// unreadable says where a file stops being CSV; empty is what to say where it ends.
func unreadable(err error, empty string) Problem {
	var parse *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return Problem{Line: 1, Text: empty}
	case errors.As(err, &parse):
		return Problem{Line: parse.Line, Text: "it is not CSV: " + parse.Err.Error()}
	}
	return Problem{Line: 1, Text: "it is not CSV: " + err.Error()}
}

// separator is what stands between the cells: that by which the header names most columns.
func separator(file []byte) rune {
	best, most := ',', 0
	for _, comma := range ",;\t" {
		header := csv.NewReader(bytes.NewReader(file))
		header.Comma = comma
		names, _ := header.Read()
		known := 0
		for _, name := range names {
			if columnName(name) != "" {
				known++
			}
		}
		if known > most {
			best, most = comma, known
		}
	}
	return best
}

// columnName is the column that a header means, "" where it is none of ours. "Record ID" is "record_id".
func columnName(header string) string {
	name := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(header)))
	if name == "e_mail" {
		name = "email"
	}
	if slices.Contains(referralColumns, name) || slices.Contains(recordColumns, name) {
		return name
	}
	return ""
}

// columnsOf reads the header: the name of each column, "" for those that are none of ours.
func columnsOf(header []string) ([]string, *Problem) {
	var columns []string
	for _, text := range header {
		name := columnName(text)
		if name != "" && slices.Contains(columns, name) {
			return nil, &Problem{1, name, "two columns have this name"}
		}
		columns = append(columns, name)
	}
	for _, names := range [][]string{referralColumns, recordColumns} {
		if named(columns, names) == "" {
			return nil, &Problem{Line: 1, Text: fmt.Sprintf("no column is called %s; the first line has to name the columns, and says %q",
				strings.Join(names, " or "), strings.Join(header, ", "))}
		}
	}
	return columns, nil
}

// readPin reads a row. A record's Id says more than an e-mail address: where a row has both, the address is left aside.
func readPin(line int, columns, record []string) (pinRow, *Problem) {
	row := pinRow{line: line}
	if len(record) > len(columns) {
		return row, &Problem{Line: line, Text: fmt.Sprintf("the row has %d cells, and the first line names %d columns; a cell with a separator in it needs quotes", len(record), len(columns))}
	}
	for i, text := range record {
		c := cell{columns[i], strings.TrimSpace(text)}
		switch {
		case c.column == "" || c.text == "":
			continue
		case !utf8.ValidString(c.text):
			return row, c.problem(line, "%q is not UTF-8; save the file as CSV in UTF-8", c.text)
		case slices.Contains(referralColumns, c.column):
			row.referrals = append(row.referrals, c)
		case c.column == "email":
			if row.record.text == "" {
				row.record, row.email = c, true
			}
		case row.record.text != "" && !row.email:
			return row, c.problem(line, "the row has two record Ids, in the columns record and record_id")
		default:
			row.record, row.email = c, false
		}
	}
	if len(row.referrals) == 0 {
		return row, cell{column: named(columns, referralColumns)}.problem(line, "the row names no referral")
	}
	if row.record.text == "" {
		return row, cell{column: named(columns, recordColumns)}.problem(line, "the row names no record")
	}
	return row, nil
}

// named are those of some columns that the file has.
func named(columns, of []string) string {
	var have []string
	for _, name := range of {
		if slices.Contains(columns, name) {
			have = append(have, name)
		}
	}
	return strings.Join(have, " or ")
}
