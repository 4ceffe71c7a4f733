// Mutate changes one place of the library at a time and reports which changes no test notices.
//
//	go -C tools run ./mutate               # the mutants of mutants.txt; fails if one lives that is not expected to
//	go -C tools run ./mutate -list call    # the names of all mutants of package call
//
// A mutant is a comparison turned around, a guard that never holds, or a call statement left out.
// Its name is package/function/kind/ordinal, so that it outlives edits elsewhere. The tests of the
// packages that the mutant's line in mutants.txt names run against it by go test's -overlay;
// nothing in the tree is changed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	list := flag.Bool("list", false, "print the names of all mutants of the packages given, and run none")
	file := flag.String("mutants", "mutate/mutants.txt", "the mutants to run")
	only := flag.String("run", "", "run only mutants whose name contains this")
	limit := flag.Duration("timeout", 3*time.Minute, "time for the tests of one mutant; one that takes longer counts as dead")
	flag.Parse()
	var err error
	if *list {
		err = printAll(flag.Args())
	} else {
		err = runAll(*file, *only, *limit)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func printAll(packages []string) error {
	for _, name := range packages {
		mutants, err := find(name)
		if err != nil {
			return err
		}
		for _, m := range mutants {
			fmt.Printf("%-60s %s\n", m.name, m.text)
		}
	}
	return nil
}

// line is one line of mutants.txt: a name, the packages whose tests run, and after a # why it is
// expected to live.
type line struct {
	name  string
	tests []string
	lives string
}

func read(file string) (lines []line, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		text, why, _ := strings.Cut(scanner.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		lines = append(lines, line{name: fields[0], tests: fields[1:], lives: strings.TrimSpace(why)})
	}
	return lines, scanner.Err()
}

func runAll(file, only string, limit time.Duration) error {
	lines, err := read(file)
	if err != nil {
		return err
	}
	known := map[string]mutant{}
	for _, l := range lines {
		name := l.name[:strings.Index(l.name, "/")]
		if _, ok := known[name+"/"]; ok {
			continue
		}
		known[name+"/"] = mutant{}
		mutants, err := find(strings.ReplaceAll(name, ".", "/"))
		if err != nil {
			return err
		}
		for _, m := range mutants {
			known[m.name] = m
		}
	}
	var wrong []string
	ran, died := 0, 0
	for _, l := range lines {
		if !strings.Contains(l.name, only) {
			continue
		}
		m, ok := known[l.name]
		if !ok {
			wrong = append(wrong, l.name+": no such mutant")
			continue
		}
		lives, err := m.lives(l.tests, limit)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		ran++
		verdict := "dies"
		switch {
		case lives && l.lives == "":
			verdict = "LIVES"
			wrong = append(wrong, l.name+": no test notices "+m.text)
		case lives:
			verdict = "lives, as expected"
		case l.lives != "":
			verdict = "DIES"
			wrong = append(wrong, l.name+": dies, though it says "+l.lives)
		}
		if !lives {
			died++
		}
		fmt.Printf("%-18s %-56s %s\n", verdict, l.name, m.text)
	}
	fmt.Printf("%d mutants, %d died\n", ran, died)
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}

// lives reports whether the tests pass with the mutant in place of its file.
func (m mutant) lives(tests []string, limit time.Duration) (bool, error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, m.source, 0o600); err != nil {
		return false, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{m.file: changed}})
	if err != nil {
		return false, err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	args := append([]string{
		"test", "-count=1", "-failfast", "-vet=off", "-timeout", limit.String(), "-overlay", file,
	}, tests...)
	text, err := run(ctx, args...)
	if strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]") {
		return false, fmt.Errorf("does not compile: %s", text)
	}
	return err == nil, nil
}

func run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = ".."
	text, err := cmd.CombinedOutput()
	return string(text), err
}
