package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/evenkeel-go/evenkeel/bench/playground"
)

// most is how large the simulator may be.
const most = 6_000_000

// playground adds the page that runs the simulator, and the script that it loads for that when it
// is used.
func (s *site) playground() error {
	wasm, err := simulator(s.root)
	if err != nil {
		return err
	}
	script, err := loadable(wasm)
	if err != nil {
		return err
	}
	s.files["simulator.js"] = script
	page, err := template.ParseFS(assets, "assets/playground.html.tmpl")
	if err != nil {
		return err
	}
	var budgets []choice
	for _, b := range playground.Budgets {
		budgets = append(budgets, choice{b.Label, string(b.JSON)})
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{
		"Faults": playground.Faults, "Budgets": budgets, "Preset": playground.Preset("outage", 1), "Usual": playground.Usual,
		"MaxClients": playground.MaxClients, "MinRate": playground.MinRate, "MaxRate": playground.MaxRate,
		"MinLasts": playground.MinLasts, "MaxLasts": playground.MaxLasts,
		"Before": playground.Before.Seconds(), "After": playground.After.Seconds(),
		"Loaded": megabytes(len(script)), "Unpacked": megabytes(len(wasm)),
	})
	p := s.pages["playground"]
	p.Body = template.HTML(b.String())
	p.texts = []text{{words: "Try a policy in the simulator: outage, partial outage, cut connections, slow server."}}
	return err
}

// choice is an option of the form.
type choice struct{ Label, Value string }

// megabytes writes a size as people read it.
func megabytes(n int) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// simulator compiles the simulator for browsers.
func simulator(root string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "simulator")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "simulator.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", file, "./wasm")
	cmd.Dir = filepath.Join(root, "site")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the simulator: %w\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err == nil && len(wasm) > most {
		err = fmt.Errorf("the simulator has %d bytes, more than %d", len(wasm), most)
	}
	return wasm, err
}

// loadable returns a script that holds the simulator, packed, and the script of the worker that
// runs it. A page may load a script from the file system, but neither fetch nor start a worker
// there, so both come as text.
func loadable(wasm []byte) ([]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	support, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, err
	}
	worker, err := assets.ReadFile("assets/worker.js")
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(wasm); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(map[string]string{
		"wasm": base64.StdEncoding.EncodeToString(packed.Bytes()), "worker": string(support) + string(worker),
	})
	return fmt.Appendf(nil, "self.evenkeelSimulator = %s;\n", data), err
}
