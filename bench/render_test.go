package main

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/report"
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

// rendered is a browser's rendering of a page: texts of one picture whose boxes overlap or leave
// the picture, and how far the page is wider than the screen.
type rendered struct {
	Texts    int
	Overlaps []string
	Wider    float64
}

// The frame has the width of the screen, which a browser's own window cannot be made as small as.
const measuring = `<!DOCTYPE html><html><body style="margin:0">
<iframe id="screen" style="border:0;width:%dpx;height:900px" srcdoc="%s"></iframe>
<pre id="found"></pre>
<script>
window.onload = () => {
  const page = document.getElementById("screen").contentDocument, found = {Texts: 0, Overlaps: [], Wider: 0};
  found.Wider = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  for (const picture of page.querySelectorAll("svg")) {
    const all = picture.getBoundingClientRect();
    if (all.width == 0) continue;
    const boxes = [...picture.querySelectorAll("text")].map(t => ({text: t.textContent, box: t.getBoundingClientRect()}));
    found.Texts += boxes.length;
    const name = picture.querySelector("title").textContent;
    boxes.forEach(({text, box}, i) => {
      if (box.left < all.left - 1 || box.right > all.right + 1 || box.bottom > all.bottom + 1 || box.top < all.top - 1)
        found.Overlaps.push(name + ": " + text + " leaves the picture");
      for (const other of boxes.slice(i + 1)) {
        const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        if (wide > 1 && high > 3) found.Overlaps.push(name + ": " + text + " and " + other.text);
      }
    });
  }
  document.getElementById("found").textContent = "FOUND" + JSON.stringify(found) + "DNUOF";
};
</script></body></html>`

var foundJSON = regexp.MustCompile(`FOUND(\{.*\})DNUOF`)

func render(t *testing.T, page string, width int) (r rendered) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, measuring, width, html.EscapeString(page)), 0o600))
	cmd := exec.Command(browser(t), "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--window-size=1400,1000", "--virtual-time-budget=10000", "--dump-dom", "file://"+file)
	out, err := cmd.Output()
	require.NoError(t, err)
	found := foundJSON.FindSubmatch(out)
	require.NotNil(t, found, "the page has run its script")
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &r))
	return r
}

// The report on a phone and on a desk, with real figures and with names that are as long as a
// user's file's.
func TestReport_InABrowser(t *testing.T) {
	browser(t)
	file := filepath.Join(t.TempDir(), "report.html")
	_, _, status := bench(t, "-quick", "-html", file, "-run", "outage|retry-budget|^stack$|brownout|spike|occ|hedge|busy|limits")
	require.Zero(t, status)
	real, err := os.ReadFile(file)
	require.NoError(t, err)
	long := "user:" + strings.Repeat("very-long-", 8)
	pages := map[string]string{
		"real figures": string(real),
		"long names":   reportOf(t, &command{seed: 1}, fake("none", "retries-3", "grpc", "evenkeel", long+"1", long+"2")),
	}
	for name, page := range pages {
		for screen, width := range map[string]int{"phone": 360, "tablet": 720, "desk": 1280} {
			t.Run(name+" on a "+screen, func(t *testing.T) {
				r := render(t, page, width)
				require.Greater(t, r.Texts, 100)
				require.Empty(t, r.Overlaps)
				require.Zero(t, r.Wider, "nobody has to scroll sideways")
			})
		}
	}
}

// A test that finds nothing anywhere shows nothing.
func TestReport_InABrowserFindsOverlaps(t *testing.T) {
	browser(t)
	c := report.Chart{
		ID: "c", Title: "one on the other",
		X: report.Exactly("x", false, []float64{0, 1}),
		Y: report.NewAxis(strings.Repeat("a label that is wider than the picture ", 5), plain, false, 0, []float64{0, 10}),
	}
	r := render(t, "<!DOCTYPE html><html><body>"+c.SVG()+`<svg width="90" height="30"><title>two</title><text y="20">one</text>`+
		`<text x="9" y="20">two</text></svg></body></html>`, 360)
	require.Contains(t, r.Overlaps, "two: one and two")
	require.Contains(t, strings.Join(r.Overlaps, "\n"), "leaves the picture")
	require.Positive(t, r.Wider)
}

func plain(v float64) string { return fmt.Sprint(v) }
