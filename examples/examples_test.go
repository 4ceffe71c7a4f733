package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// outputs are the lines that each program prints, in this order; others may come between them.
var outputs = map[string][]string{
	"quickstart-http": {
		`200 OK: "item 7"`,
		`502 Bad Gateway: "no backend"`,
		`  stopped after 3 attempts: max_attempts`,
		`404 Not Found: "404 page not found\n"`,
	},
	"quickstart-grpc": {
		"OK: SERVING",
		"error: rpc error: code = NotFound desc = unknown service",
	},
	"idempotent-post": {
		"without a key:",
		"  the client got 500 Internal Server Error",
		"  and stopped because of: not_idempotent",
		"  requests: 1, payments: 1",
		"with a key:",
		"  the client got 200 OK",
		"  requests: 2, payments: 1",
	},
	"hedged-reads": {
		"reads: 100",
		"at least ten were answered by a hedge: true",
		"the slowest took less than twenty seconds: true",
	},
	"deadline": {
		"front: attempt 1, the deadline is known: true",
		"middle: attempt 1, the deadline is known: true",
		"backend: attempt 1, the deadline is known: true",
		"backend: attempt 2, the deadline is known: true",
		"backend: attempt 3, the deadline is known: true",
		"client: 502 Bad Gateway after 1 attempt(s): no_retry",
	},
	"periodic": {
		"web1 refreshes at second 27",
		"web2 refreshes at second 46",
		"web3 refreshes at second 36",
		"run 3 error: <nil>",
		"ended: context canceled",
	},
	"migrate-cenkalti": {
		"before: no such user",
		"step 1: no such user",
		"step 2: no such user (evenkeel: rejected after 2 attempts)",
		"step 3: no such user (evenkeel: rejected after 2 attempts)",
	},
	"service-config": {
		"reply: SERVING error: <nil> failed before: 2",
		"retryThrottling.maxTokens: must be above 0 and at most 1000, with at most three decimals, not 1001",
		"unknown: [methodConfg]",
		"true <nil>",
	},
	"live-reload": {
		"policy of 2 attempts: sent 2, stopped by max_attempts",
		"policy of 5 attempts: sent 1, stopped by budget", // the first call's retry still counts
		`load: max_attempts: must be a whole number, at least 1, or "unlimited"`,
		"backof: unknown field (did you mean backoff?)",
		"policy of 5 attempts: sent 1, stopped by budget",
	},
}

func TestPrograms_PrintDocumentedOutput(t *testing.T) {
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "./...")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)

	programs, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	require.Len(t, programs, len(outputs), "each program needs a test")
	for _, file := range programs {
		name := filepath.Dir(file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // for a busy machine; they take seconds
			defer cancel()
			printed, err := exec.CommandContext(ctx, filepath.Join(bin, name)).CombinedOutput()
			require.NoError(t, err, "%s", printed)
			requireLines(t, string(printed), outputs[name])
		})
	}
}

// requireLines checks that the lines wanted are all there, in their order.
func requireLines(t *testing.T, printed string, wanted []string) {
	t.Helper()
	require.NotEmpty(t, wanted)
	rest := strings.Split(printed, "\n")
	for _, line := range wanted {
		i := 0
		for i < len(rest) && rest[i] != line {
			i++
		}
		require.Less(t, i, len(rest), "no line %q (after those before it) in:\n%s", line, printed)
		rest = rest[i+1:]
	}
}

func TestPrograms_Short(t *testing.T) {
	files, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	nested, err := filepath.Glob("*/*/main.go")
	require.NoError(t, err)
	for _, file := range append(files, nested...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Less(t, strings.Count(string(text), "\n"), 80, file)
		others, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.go"))
		require.NoError(t, err)
		require.Len(t, others, 1, "%s has its program in one file", filepath.Dir(file))
	}
}
