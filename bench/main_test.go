package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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

func TestListNamesEveryExperiment(t *testing.T) {
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

func TestMisuseIsAClearErrorAndStatus2(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"max_attempts": 0, "bugdet": "adaptive"}`), 0o600))
	good := filepath.Join(t.TempDir(), "good.json")
	require.NoError(t, os.WriteFile(good, []byte(`{}`), 0o600))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"flag":            {[]string{"-frobnicate"}, "frobnicate"},
		"argument":        {[]string{"outage"}, `unexpected argument "outage"`},
		"no match":        {[]string{"-run", "nonsense"}, `"nonsense" matches no experiment; there are retry-budget`},
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

func TestAFileThatCannotBeWritten(t *testing.T) {
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

func TestNeverIsNullInJSON(t *testing.T) {
	var b bytes.Buffer
	rows := []experiments.Row{{Policy: "naive", Metrics: map[string]*float64{"recovery_s": experiments.Value(experiments.Never)}}}
	require.NoError(t, writeJSON(&b, []experiments.Performed{{Experiment: experiments.Experiment{Name: "metastable"}, Rows: rows}}))
	require.JSONEq(t, `[{"experiment":"metastable","policy":"naive","params":{},"metrics":{"recovery_s":null}}]`, b.String())
}

func TestAUsersPolicyIsARowEverywhere(t *testing.T) {
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

func TestSameSeedSameFiguresOnAnyNumberOfCores(t *testing.T) {
	one, _, _ := bench(t, "-quick", "-run", "busy|spike|limits", "-json", "-", "-workers", "1", "-seed", "7")
	two, _, _ := bench(t, "-quick", "-run", "busy|spike|limits", "-json", "-", "-workers", "2", "-seed", "7")
	other, _, _ := bench(t, "-quick", "-run", "busy|spike|limits", "-json", "-", "-workers", "2", "-seed", "8")
	require.Equal(t, one, two)
	require.NotEqual(t, one, other)
}

func TestCheckFindsWhatIsOff(t *testing.T) {
	row := experiments.Row{Policy: "evenkeel", Params: map[string]any{"p": .1}}
	row.Metrics = map[string]*float64{"load": experiments.Value(1.2), "success": experiments.Value(.9)}
	row.Published = map[string]float64{"success": .95}
	row.Bars = map[string]experiments.Bar{"load": {AtMost: 1.11}}
	results := []experiments.Performed{{Experiment: experiments.Experiment{Name: "x"}, Rows: []experiments.Row{row}}}
	require.NoError(t, failures(results, false))
	err := failures(results, true)
	require.ErrorContains(t, err, "x: evenkeel p=0.1: load is 1.2, must be at most 1.11")
	require.ErrorContains(t, err, "x: evenkeel p=0.1: success is 0.9, published 0.95")
}
