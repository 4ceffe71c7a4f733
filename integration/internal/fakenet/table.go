package fakenet

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Call makes a client and one call with it.
type Call func(ctx context.Context) error

// The labels of the ways that most tables compare.
const (
	Bare     = "nobody retries"
	Own      = "its own retries"
	Evenkeel = "**the lines above**"
	Both     = "the lines above, its own left on"
)

// Way is a row of a table: a label, and a call made in that way.
type Way struct {
	Label string
	Call  Call
	// Least is how many requests an outage costs at least, where jitter decides how many it is.
	Least int
}

// HTTP requires that the table of a section of docs/sdks.md says what becomes of a call over HTTP
// and how many requests the server sees, if the first two are answered by busy, if the first two
// lose their connection, and if busy is all that the server ever answers.
func HTTP(t *testing.T, section string, busy, answer http.HandlerFunc, ways ...Way) {
	t.Helper()
	columns := []struct {
		failures int
		fail     http.HandlerFunc
	}{{2, busy}, {2, Reset}, {Always, busy}}
	Compare(t, section, len(columns), ways, func(t *testing.T, column int, way Way) string {
		t.Helper()
		c := columns[column]
		s := Serve(t, c.failures, c.fail, answer)
		err := Deadline(t, way.Call)
		s.Same(t)
		n := len(s.Requests())
		if c.failures == Always && way.Least > 0 {
			require.Error(t, err)
			require.GreaterOrEqual(t, n, way.Least)
			return fmt.Sprintf("%d or more, fails", way.Least)
		}
		return Cell(n, err)
	})
}

// Compare requires that the table of a section says what run returns for each way and column.
// Each runs in a bubble of its own.
func Compare(
	t *testing.T, section string, columns int, ways []Way, run func(t *testing.T, column int, way Way) string,
) {
	t.Helper()
	var rows []string
	for _, way := range ways {
		row := "| " + way.Label + " |"
		for column := range columns {
			t.Run(fmt.Sprintf("%s/%d", strings.Trim(way.Label, "*"), column), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { row += " " + run(t, column, way) + " |" })
			})
		}
		rows = append(rows, row)
	}
	Rows(t, section, rows...)
}

// Rows requires that a section of docs/sdks.md has these rows, one after the other.
func Rows(t *testing.T, section string, rows ...string) {
	t.Helper()
	table := strings.Join(rows, "\n")
	require.Contains(t, part(t, section), table, "docs/sdks.md, section %s, lacks these rows:\n%s", section, table)
}

// Deadline makes a call that has five minutes.
func Deadline(t *testing.T, call Call) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	return call(ctx)
}

// Cell returns the text of a table's cell.
func Cell(requests int, err error) string {
	if err != nil {
		return fmt.Sprintf("%d, fails", requests)
	}
	return fmt.Sprint(requests)
}

// part returns a section of docs/sdks.md.
func part(t *testing.T, section string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/sdks.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(page), "\n## "+section+"\n")
	require.True(t, found, "docs/sdks.md has no section %s", section)
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}
