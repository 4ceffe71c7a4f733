package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/experiments"
)

// built is the command, built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "bench")
	out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput()
	if err != nil {
		err = errors.New(string(out))
	}
	return file, err
})

func TestMain(m *testing.M) {
	status := m.Run()
	if file, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(status)
}

// bench runs the command.
func bench(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	file, err := built()
	require.NoError(t, err)
	var o, e bytes.Buffer
	cmd := exec.Command(file, args...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestList_NamesEveryExperiment(t *testing.T) {
	out, _, status := bench(t, "-list")
	require.Zero(t, status)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, len(experiments.All))
	for i, e := range experiments.All {
		require.True(t, strings.HasPrefix(lines[i], e.Name+" "), lines[i])
	}
	out, _, _ = bench(t, "-list", "-run", "^spike$")
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 1)
}

func TestMisuse_ErrorAndStatus2(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"max_attempts": 0, "bugdet": "adaptive"}`), 0o600))
	good := filepath.Join(t.TempDir(), "good.json")
	require.NoError(t, os.WriteFile(good, []byte(`{}`), 0o600))
	endless := filepath.Join(t.TempDir(), "endless.json")
	require.NoError(t, os.WriteFile(endless,
		[]byte(`{"max_attempts": "unlimited", "backoff": "none", "budget": "unlimited"}`), 0o600))
	null := filepath.Join(t.TempDir(), "null.json")
	require.NoError(t, os.WriteFile(null, []byte(" null\n"), 0o600))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no limit":        {[]string{"-policy", endless}, "without limit or wait: Backoff: "},
		"no policy":       {[]string{"-policy", null}, "must be a JSON object"},
		"flag":            {[]string{"-frobnicate"}, "frobnicate"},
		"argument":        {[]string{"outage"}, `unexpected argument "outage"`},
		"no match":        {[]string{"-run", "nonsense"}, `"nonsense" matches no experiment; there are outage, retry-budget`},
		"regexp":          {[]string{"-run", "("}, "missing closing )"},
		"seed":            {[]string{"-seed", "x"}, "seed"},
		"workers":         {[]string{"-workers", "0"}, "-workers must be at least 1"},
		"no such policy":  {[]string{"-policy", "absent.json"}, "absent.json"},
		"broken policy":   {[]string{"-policy", bad}, "bugdet"},
		"broken policy 2": {[]string{"-policy", bad}, "max_attempts"},
		"same name twice": {[]string{"-policy", good, "-policy", good}, `two policies are named "user:good"`},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, status := bench(t, c.args...)
			require.Equal(t, 2, status)
			require.Empty(t, out)
			require.Contains(t, stderr, c.says)
			require.True(t, strings.HasPrefix(stderr, "bench: "), stderr)
		})
	}
}

func TestHelp(t *testing.T) {
	out, stderr, status := bench(t, "-h")
	require.Zero(t, status)
	require.Empty(t, out)
	for _, name := range []string{"-list", "-run REGEXP", "-seed N", "-json FILE", "-quick", "-policy FILE", "-check"} {
		require.Contains(t, stderr, name)
	}
}

func TestOutput_UnwritableFile(t *testing.T) {
	out, stderr, status := bench(t, "-run", "busy", "-json", filepath.Join(t.TempDir(), "no", "such", "dir.json"))
	require.Equal(t, 1, status)
	require.Empty(t, out, "it is found out before anything runs")
	require.Contains(t, stderr, "dir.json")
}

func decode(t *testing.T, data string) []record {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	var records []record
	require.NoError(t, d.Decode(&records), "%.200s", data)
	require.False(t, d.More(), "nothing after the array")
	return records
}

func TestJSON(t *testing.T) {
	out, _, status := bench(t, "-quick", "-run", "busy|spike", "-json", "-")
	require.Zero(t, status)
	names := map[string]int{}
	for _, r := range decode(t, out) {
		names[r.Experiment]++
		require.NotEmpty(t, r.Policy)
		require.NotNil(t, r.Params)
		require.Contains(t, r.Metrics, "success")
		require.Contains(t, r.Metrics, "load")
		if r.Policy == "none" {
			require.Equal(t, 1.0, *r.Metrics["load"], "a ratio")
		}
	}
	require.Equal(t, map[string]int{"busy": 8, "spike": 12}, names)

	file := filepath.Join(t.TempDir(), "out.json")
	tables, _, status := bench(t, "-quick", "-run", "busy", "-json", file)
	require.Zero(t, status)
	require.Contains(t, tables, "bars held", "the tables go to stdout as ever")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Len(t, decode(t, string(data)), 8)
}

func TestJSON_NeverIsNull(t *testing.T) {
	var b bytes.Buffer
	rows := []experiments.Row{{Policy: "naive", Metrics: map[string]*float64{"recovery_s": experiments.Value(experiments.Never)}}}
	require.NoError(t, writeJSON(&b, []experiments.Performed{{Experiment: experiments.Experiment{Name: "metastable"}, Rows: rows}}))
	require.JSONEq(t, `[{"experiment":"metastable","policy":"naive","params":{},"metrics":{"recovery_s":null}}]`, b.String())
}

func TestPolicy_RowInEveryExperiment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"max_attempts": 4, "budget": {"grpc": {"max_tokens": 20}}}`), 0o600))
	plain, _, _ := bench(t, "-quick", "-run", "busy|spike", "-json", "-")
	out, _, status := bench(t, "-quick", "-run", "busy|spike", "-json", "-", "-policy", file)
	require.Zero(t, status)
	rows := map[string]int{}
	var others []record
	for _, r := range decode(t, out) {
		if r.Policy == "user:mine" {
			rows[r.Experiment]++
		} else {
			others = append(others, r)
		}
	}
	require.Equal(t, map[string]int{"busy": 1, "spike": 2}, rows)
	require.Equal(t, decode(t, plain), others, "the other rows do not change")
}

func TestSeed_SameFiguresOnAnyCores(t *testing.T) {
	one, _, _ := bench(t, "-quick", "-run", "busy|spike|limits", "-json", "-", "-workers", "1", "-seed", "7")
	two, _, _ := bench(t, "-quick", "-run", "busy|spike|limits", "-json", "-", "-workers", "2", "-seed", "7")
	other, _, _ := bench(t, "-quick", "-run", "busy|spike|limits", "-json", "-", "-workers", "2", "-seed", "8")
	require.Equal(t, one, two)
	require.NotEqual(t, one, other)
}

func TestCheck_FindsDeviations(t *testing.T) {
	row := experiments.Row{Policy: "evenkeel", Params: map[string]any{"p": .1}}
	row.Metrics = map[string]*float64{"load": experiments.Value(1.2), "success": experiments.Value(.9)}
	row.Published = map[string]float64{"success": .95}
	row.Bars = map[string]experiments.Bar{"load": {AtMost: 1.11}}
	checked := experiments.Experiment{Name: "x", Metrics: []experiments.Metric{
		{Name: "load", Format: experiments.Times}, {Name: "success", Label: "success, %", Format: experiments.Percent},
	}}
	results := []experiments.Performed{{Experiment: checked, Rows: []experiments.Row{row}}}
	require.NoError(t, failures(results, false))
	err := failures(results, true)
	require.ErrorContains(t, err, "x: evenkeel p=0.1: load is 1.20x, must be at most 1.11x")
	require.ErrorContains(t, err, "x: evenkeel p=0.1: success is 90.0 %, published 95.0 %")

	results[0].Machine = true
	require.NoError(t, failures(results, true), "the speed of the machine is no figure of ours")
}

func TestOutput_PointFirstVerdictLast(t *testing.T) {
	out, stderr, status := bench(t, "-quick", "-run", "^outage$|^busy$")
	require.Zero(t, status)
	require.True(t, strings.HasPrefix(out, "load: attempts sent per call"), out)
	head, _, _ := strings.Cut(out, "\noutage: ")
	require.Regexp(t, `(?m)^  evenkeel +1\.0\dx`, head)
	last := out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]
	require.Equal(t, "32 of 32 published figures agree; 10 of 10 bars held.\n", last)
	require.Equal(t, 2, strings.Count(stderr, "\n"), "a line an experiment: %s", stderr)
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSpace(line)), 80, line)
	}
	out, _, _ = bench(t, "-quick", "-run", "^busy$")
	require.True(t, strings.HasPrefix(out, "busy: "), "where there is nothing of it, no point")
}

func TestVerdict_NamesFailures(t *testing.T) {
	off := experiments.Row{
		Policy: "a", Metrics: map[string]*float64{"load": experiments.Value(2)}, Bars: map[string]experiments.Bar{"load": {AtMost: 1}},
	}
	e := experiments.Experiment{Name: "x", Metrics: []experiments.Metric{{Name: "load", Format: experiments.Times}}}
	speed := e
	speed.Name, speed.Machine = "fast", true
	var w bytes.Buffer
	o := outputs{tables: &w, command: &command{begun: time.Now(), chosen: []experiments.Experiment{e, speed, e}}}
	require.NoError(t, o.verdict([]experiments.Performed{
		{Experiment: speed, Rows: []experiments.Row{off}}, {Experiment: e, Rows: []experiments.Row{off}},
	}))
	require.Equal(t, `Interrupted: 2 of 3 experiments are done.
Speed of this machine, no part of the verdict: 0 of 1 bars of fast held.
  a: load is 2.00x, must be at most 1.00x
0 of 1 bars held.
FAILED: 1
  x: a: load is 2.00x, must be at most 1.00x
`, w.String())

	w.Reset()
	o.command = &command{quick: true, begun: time.Now().Add(-time.Minute), chosen: []experiments.Experiment{e}}
	require.NoError(t, o.verdict([]experiments.Performed{{Experiment: e, Err: errors.New("no luck")}}))
	require.Equal(t, `-quick took 60 s, more than ten: -run REGEXP picks some of the experiments.
FAILED: 1
  x: no luck
(-quick is coarse: a run without it may hold.)
`, w.String())
}

// Whoever has seen enough gets what is done, in the files too.
func TestInterrupt_PrintsFinished(t *testing.T) {
	binary, err := built()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "figures.json")
	cmd := exec.Command(binary, "-quick", "-run", "outage|metastable|live|scale", "-json", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var out strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		out.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "outage: ") {
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), "%s%s", out.String(), stderr.String())
	require.Contains(t, out.String(), "\nInterrupted: ")
	require.Contains(t, out.String(), "32 of 32 published figures agree", "the table is whole")
	require.Contains(t, stderr.String(), "bench: interrupted\n")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(decode(t, string(data))), 52)
}

func TestPolicy_EndsWithVerdict(t *testing.T) {
	folder := t.TempDir()
	naive, fine := filepath.Join(folder, "naive.json"), filepath.Join(folder, "fine.json")
	require.NoError(t, os.WriteFile(naive, []byte(`{"max_attempts": 4, "budget": "unlimited", "attempt_timeout": "1s"}`), 0o600))
	require.NoError(t, os.WriteFile(fine, []byte(`{"max_attempts": 2}`), 0o600))
	stdout, stderr, status := bench(t, "-quick", "-run", "occ$", "-policy", naive, "-policy", fine)
	require.Zero(t, status, stderr)
	for _, name := range []string{"outage", "partial outage", "bursts", "steady failures", "metastable"} {
		require.Regexp(t, `(?m)^  `+name+` .*x \(1\.\d\dx\) .*(survives|does not survive)$`, stdout)
	}
	first, second, found := strings.Cut(stdout[strings.Index(stdout, "naive (the default)"):], "fine (the default)")
	require.True(t, found)
	require.Regexp(t, `(?m)^  metastable .* does not survive$`, first)
	require.Regexp(t, `(?m)^  outage .* does not survive$`, first)
	require.Contains(t, first, "metastable: goodput is not back")
	require.NotContains(t, second, "does not survive")
	for line := range strings.Lines(first + second) {
		if !strings.Contains(line, "goodput") {
			require.LessOrEqual(t, utf8.RuneCountInString(line), 81, line)
		}
	}
}
