package otel_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program builds one and returns the command that runs it, which ends with the test.
func program(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	text, err := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./"+name).CombinedOutput()
	require.NoError(t, err, "%s", text)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // for a busy machine; it takes two seconds
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, file, args...)
}

func TestStdout_ShowsSpansEventsAndMetrics(t *testing.T) {
	t.Parallel()
	text, err := program(t, "stdout").CombinedOutput()
	require.NoError(t, err, "%s", text)
	printed := string(text)
	require.Contains(t, printed, "200 OK\n")
	require.Equal(t, 1, strings.Count(printed, `"Name": "say hello"`), "the caller's span")
	require.Equal(t, 2, strings.Count(printed, `"Name": "HTTP GET"`), "a span an attempt")
	require.Equal(t, 1, strings.Count(printed, `"http.request.resend_count"`), "on the second attempt only")
	require.Equal(t, 1, strings.Count(printed, `"Name": "evenkeel.wait"`), "an event for the wait between them")
	for _, metric := range []string{
		"evenkeel.calls", "evenkeel.attempts", "evenkeel.call.wait", "evenkeel.budget.level", "http.client.request.duration",
	} {
		require.Equal(t, 1, strings.Count(printed, `"Name": "`+metric+`"`), metric)
	}
}

func TestPrometheus_ScrapesProgram(t *testing.T) {
	t.Parallel()
	cmd := program(t, "prometheus", "-for=1h") // until the scrape
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	url, found := strings.CutPrefix(strings.TrimSpace(line), "scrape ")
	require.True(t, found, line)

	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for _, sample := range []string{
		"evenkeel_calls_total 1 destination=inventory reason=success",
		"evenkeel_calls_total 1 destination=inventory reason=rejected",
		"evenkeel_attempts_total 1 class=transient destination=inventory kind=first",
		"evenkeel_attempts_total 1 class=success destination=inventory kind=retry",
		"evenkeel_attempts_total 1 class=rejected destination=inventory kind=first",
		"evenkeel_call_wait_seconds_count 1 destination=inventory",
	} {
		requireSample(t, string(page), strings.Fields(sample))
	}
	require.Contains(t, string(page), "evenkeel_budget_level_ratio{")
}

// requireSample checks that the page has a sample of that name and value, whose labels end in
// those given.
func requireSample(t *testing.T, page string, wanted []string) {
	t.Helper()
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, wanted[0]+"{") || !strings.HasSuffix(line, "} "+wanted[1]) {
			continue
		}
		all := true
		for _, label := range wanted[2:] {
			name, value, _ := strings.Cut(label, "=")
			all = all && strings.Contains(line, name+`="`+value+`"`)
		}
		if all {
			return
		}
	}
	require.Fail(t, "no such sample", "%v in:\n%s", wanted, page)
}

func TestPrometheus_Ends(t *testing.T) {
	t.Parallel()
	text, err := program(t, "prometheus", "-for=1ms").CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.Contains(t, string(text), "scrape http://127.0.0.1:")
}
