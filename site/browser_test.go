package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/playground"
)

var (
	//go:embed testdata/errors.js
	errorsJS string
	//go:embed testdata/playground.js
	playgroundJS string
	//go:embed testdata/pages.js
	pagesJS string
)

// A browser that has not reported within patience is started anew, launches times in all: one of
// some twenty hung here while it loaded a page, with the machine idle.
const (
	patience = 2 * time.Minute
	launches = 3
)

// browser returns the path of Chromium, under one of its names. Without one, the test is skipped
// by its name.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	t.Skip("no chromium, chromium-browser or google-chrome in PATH")
	return ""
}

// visit opens a page and returns what its script reports to the address that ends in /report.
func visit(t *testing.T, reports <-chan []byte, address string, into any) {
	t.Helper()
	for range launches {
		report, log := launch(t, reports, address)
		if report != nil {
			require.NoError(t, json.Unmarshal(report, into), "%s", report)
			return
		}
		t.Logf("no report from %s\n%s", address, log)
	}
	t.Fatalf("%d browsers hung", launches)
}

// launch starts a browser on a page, and returns the report of its script, or nil and what the
// browser logged.
func launch(t *testing.T, reports <-chan []byte, address string) (report []byte, log string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), browser(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
		"--disable-dev-shm-usage", "--force-prefers-reduced-motion", "--user-data-dir="+t.TempDir(), "--window-size=1280,1000", address)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second // of its children, which keep stderr open
	require.NoError(t, cmd.Start())
	select {
	case report = <-reports:
	case <-time.After(patience):
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // stderr may be read after it
	return report, stderr.String()
}

// host serves the site at an address, with the pages that replace returns for it instead of the
// site's own, and takes reports.
func host(
	t *testing.T, files map[string][]byte, replace func(address string) map[string][]byte,
) (address string, reports <-chan []byte) {
	t.Helper()
	taken := make(chan []byte, 1)
	var replaced map[string][]byte
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "report" {
			body, _ := io.ReadAll(r.Body)
			select {
			case taken <- body:
			default:
			}
			return
		}
		data, ok := replaced[name]
		if !ok {
			data, ok = files[name]
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, path.Base(name), time.Time{}, bytes.NewReader(data))
	}))
	address = "http://" + server.Listener.Addr().String()
	replaced = replace(address)
	server.Start()
	t.Cleanup(server.Close)
	return address, taken
}

// driven returns a page that collects its errors and runs a script.
func driven(t *testing.T, page []byte, script string) []byte {
	t.Helper()
	head, rest, ok := strings.Cut(string(page), "<head>")
	require.True(t, ok)
	body, end, ok := strings.Cut(rest, "</body>")
	require.True(t, ok)
	return []byte(head + "<head><script>" + errorsJS + "</script>" + body + "<script>" + script + "</script></body>" + end)
}

// played holds the report of the script that drives the playground.
type played struct {
	Errors  []string
	Failed  string
	Runs    map[string]map[playground.Side]json.RawMessage // figures, by fault
	Shown   map[string]map[string]string                   // the table of each run: its cells' figures
	Unnamed []string                                       // controls without an accessible name
	Idle    bool                                           // the page worked while a large run went on
	Stopped string                                         // what it said when that was stopped
	Linked  map[string]string                              // the fields that a link set
	Wrong   string                                         // what it says to a policy that is wrong
	Found   []string                                       // where a search for retry.Do leads
	Lazy    bool                                           // the simulator was loaded by the first run and not before
}

// The playground, served and from the file system: runs with every fault give the figures of the
// same Go code that was compiled for this machine, and those of bench.
func TestPlayground_InABrowser(t *testing.T) {
	browser(t)
	files := made(t)
	for from, faults := range map[string][]string{
		"a server": {"outage", "partial", "cut", "slow"}, "the file system": {"slow"},
	} {
		t.Run("from "+from, func(t *testing.T) {
			list, err := json.Marshal(faults)
			require.NoError(t, err)
			replaced := map[string][]byte{}
			address, reports := host(t, files, func(address string) map[string][]byte {
				script := strings.NewReplacer("REPORT", address+"/report", "FAULTS", string(list)).Replace(playgroundJS)
				replaced["playground.html"] = driven(t, files["playground.html"], script)
				return replaced
			})
			address += "/playground.html"
			if from == "the file system" {
				folder := t.TempDir()
				require.NoError(t, write(folder, files))
				require.NoError(t, write(folder, replaced))
				address = "file://" + filepath.ToSlash(filepath.Join(folder, "playground.html"))
			}
			var p played
			visit(t, reports, address, &p)
			require.Empty(t, p.Failed)
			require.Empty(t, p.Errors, "the console")
			checkFigures(t, p, faults)
			require.True(t, p.Lazy)
			require.Empty(t, p.Unnamed)
			require.True(t, p.Idle)
			require.Equal(t, "Stopped.", p.Stopped)
			require.Equal(t, map[string]string{
				"clients": "7", "clients-number": "7", "rate-number": "70", "fault": "partial", "size-value": "25 % of the attempts",
				"lasts-number": "3", "seed": "9", "beside": `"grpc"`, "attempts": "5", "budget": `{"adaptive":{"strict":true}}`,
				"timeout": "250", "base": "20", "cap": "1000", "hedge": "",
			}, p.Linked)
			require.Contains(t, p.Wrong, "max_attemps: unknown field (did you mean max_attempts?)")
			require.Contains(t, p.Found[0], "pkg/retry.html#Do")
		})
	}
}

// checkFigures compares the runs with those of this process, and with the rows of bench.
func checkFigures(t *testing.T, p played, faults []string) {
	t.Helper()
	require.Len(t, p.Runs, len(faults))
	cmd := exec.CommandContext(t.Context(), "go", "run", "./bench", "-run", "^playground$", "-seed", "1", "-json", "-")
	cmd.Dir = ".."
	out, err := cmd.Output()
	require.NoError(t, err)
	var rows []struct {
		Policy  string
		Params  map[string]string
		Metrics map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(out, &rows))
	policies := map[string]playground.Side{"evenkeel": playground.Own, "unlimited": playground.Beside}
	compared := 0
	for _, row := range rows {
		side, ok := policies[row.Policy]
		fault := row.Params["fault"]
		if !ok || !slices.Contains(faults, fault) {
			continue
		}
		native, err := playground.Run(playground.Preset(fault, 1), side, nil)
		require.NoError(t, err)
		want, err := json.Marshal(native)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(p.Runs[fault][side]), "%s, %s", fault, side)
		var figures map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(p.Runs[fault][side], &figures))
		require.Len(t, row.Metrics, len(figures))
		for name, figure := range figures {
			require.Equal(t, number(t, row.Metrics[name]), number(t, figure), "%s, %s: %s of bench", fault, side, name)
			require.Equal(t, number(t, figure), number(t, json.RawMessage(p.Shown[fault][name+"-"+string(side)])), "%s in the table", name)
		}
		compared++
	}
	require.Equal(t, 2*len(faults), compared)
}

// number returns a figure with all its digits.
func number(t *testing.T, data json.RawMessage) string {
	t.Helper()
	var v *float64
	require.NoError(t, json.Unmarshal(data, &v), "%q", data)
	if v == nil {
		return "null"
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// looked holds the report of a look at all pages.
type looked struct {
	Errors []string
	Failed string
	Wider  []string // pages that have to be scrolled sideways, and by what
	Pages  int
	Faint  []string // texts whose contrast is below 4.5
}

// Every page on a phone and on a desk, in both color schemes.
func TestPages_InABrowser(t *testing.T) {
	browser(t)
	files := made(t)
	var names []string
	replaced := map[string][]byte{}
	for name, data := range files {
		if path.Ext(name) == ".html" {
			names = append(names, name)
			replaced[name] = driven(t, data, "")
		}
	}
	list, err := json.Marshal(names)
	require.NoError(t, err)
	address, reports := host(t, files, func(address string) map[string][]byte {
		script := strings.NewReplacer("REPORT", address+"/report", "PAGES", string(list)).Replace(pagesJS)
		replaced["look.html"] = fmt.Appendf(nil, "<!DOCTYPE html><html><body><script>%s</script></body></html>", script)
		return replaced
	})
	var l looked
	visit(t, reports, address+"/look.html", &l)
	require.Empty(t, l.Failed)
	require.Empty(t, l.Errors)
	require.Empty(t, l.Wider, "nobody has to scroll sideways")
	require.Empty(t, l.Faint)
	require.Equal(t, 2*len(names), l.Pages)
}
