//go:build js && wasm

// Command wasm is the simulator for the site's playground. It adds one function to its worker:
//
//	evenkeelRun(settings, side, seen)
//
// settings is the JSON of a playground.Settings, side is "own" or "beside", and seen is called
// after each second of the run with its number and what took place in it: calls, attempts sent,
// calls that ended well, calls that did not. The result is JSON: figures, or an error.
package main

import (
	"encoding/json"
	"syscall/js"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/bench/playground"
)

func main() {
	js.Global().Set("evenkeelRun", js.FuncOf(func(_ js.Value, args []js.Value) any {
		return run(args[0].String(), playground.Side(args[1].String()), args[2])
	}))
	select {} // the function is called for as long as the worker lives
}

func run(settings string, side playground.Side, seen js.Value) string {
	s, err := playground.Parse([]byte(settings))
	if err != nil {
		return text(map[string]any{"error": err.Error()})
	}
	figures, err := playground.Run(s, side, func(second int, p fleet.Point) error {
		seen.Invoke(second, p.Calls, p.Sent, p.Good, p.Bad)
		return nil
	})
	if err != nil {
		return text(map[string]any{"error": err.Error()})
	}
	return text(map[string]any{"figures": figures})
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return `{"error": "the figures are no JSON"}`
	}
	return string(data)
}
