package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
	"github.com/evenkeel-go/evenkeel/bench/report"
)

// outputs holds the destinations of the results. Files are opened before anything runs, so that a
// path that cannot be written costs no minute.
type outputs struct {
	tables io.Writer // nil: none
	json   io.Writer // nil: none
	html   io.Writer // nil: none
	files  []*os.File

	command *command
}

func openOutputs(c *command, stdout io.Writer) (*outputs, error) {
	o := &outputs{tables: stdout, command: c}
	switch c.json {
	case "":
	case "-":
		o.tables, o.json = nil, stdout
	default:
		f, err := os.Create(c.json)
		if err != nil {
			return nil, err
		}
		o.json, o.files = f, append(o.files, f)
	}
	if c.html != "" {
		f, err := os.Create(c.html)
		if err != nil {
			return nil, errors.Join(err, o.close())
		}
		o.html, o.files = f, append(o.files, f)
	}
	if c.pictures != "" {
		if err := os.MkdirAll(c.pictures, 0o755); err != nil {
			return nil, errors.Join(err, o.close())
		}
	}
	return o, nil
}

// begin writes what it all comes down to, if that is asked for.
func (o *outputs) begin(ctx context.Context, options experiments.Options, bar *progress) error {
	shown := slices.ContainsFunc(o.command.chosen, func(e experiments.Experiment) bool { return e.Name == "outage" })
	if o.tables == nil || !shown {
		return nil
	}
	var text bytes.Buffer
	err := experiments.Headline(ctx, &text, options, o.command.width)
	if ctx.Err() != nil {
		return nil
	}
	bar.without(func() { _, _ = o.tables.Write(text.Bytes()) })
	return err
}

// print writes the table of an experiment that is done.
func (o *outputs) print(p experiments.Performed) error {
	if o.tables == nil {
		return nil
	}
	return experiments.Print(o.tables, p, o.command.width)
}

// finish writes the verdict, and the files.
func (o *outputs) finish(results []experiments.Performed) error {
	var errs []error
	if o.tables != nil {
		errs = append(errs, o.verdict(results))
	}
	if o.json != nil {
		errs = append(errs, writeJSON(o.json, results))
	}
	if o.html != nil {
		errs = append(errs, report.Write(o.html, o.command.page(results)))
	}
	if o.command.pictures != "" {
		errs = append(errs, writePictures(o.command.pictures, results))
	}
	return errors.Join(append(errs, o.close())...)
}

func (o *outputs) close() error {
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// record is a row in JSON.
type record struct {
	Experiment string              `json:"experiment"`
	Policy     string              `json:"policy"`
	Params     map[string]any      `json:"params"`
	Metrics    map[string]*float64 `json:"metrics"`
}

func writeJSON(w io.Writer, results []experiments.Performed) error {
	records := []record{}
	for _, r := range results {
		for _, row := range r.Rows {
			params := row.Params
			if params == nil {
				params = map[string]any{}
			}
			records = append(records, record{r.Name, row.Policy, params, row.Metrics})
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(records)
}

// writePictures writes each chart as an SVG file of its own into a folder.
func writePictures(folder string, results []experiments.Performed) error {
	var errs []error
	for _, r := range results {
		for i, c := range experiments.Charts(r) {
			name := r.Name
			if i > 0 {
				name = c.ID
			}
			errs = append(errs, os.WriteFile(filepath.Join(folder, name+".svg"), []byte(c.SVG()+"\n"), 0o644))
		}
	}
	return errors.Join(errs...)
}
