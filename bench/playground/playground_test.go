package playground_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/bench/fleet"
	"github.com/evenkeel-go/evenkeel/bench/playground"
)

// small returns a preset that takes milliseconds.
func small(fault string) playground.Settings {
	s := playground.Preset(fault, 1)
	s.Clients, s.Rate, s.Lasts = 10, 50, 5
	return s
}

func figures(t *testing.T, s playground.Settings, side playground.Side) playground.Figures {
	t.Helper()
	f, err := playground.Run(s, side, nil)
	require.NoError(t, err)
	return f
}

func TestRun_Deterministic(t *testing.T) {
	for _, fault := range playground.Faults {
		s := small(fault.Name)
		text, err := json.Marshal(s)
		require.NoError(t, err)
		parsed, err := playground.Parse(text)
		require.NoError(t, err)
		require.Equal(t, figures(t, s, playground.Own), figures(t, parsed, playground.Own), "through a link")
		s.Seed++
		require.NotEqual(t, figures(t, parsed, playground.Own), figures(t, s, playground.Own))
	}
}

func TestRun_EachFault(t *testing.T) {
	for fault, check := range map[string]func(own, beside playground.Figures){
		"outage": func(own, beside playground.Figures) {
			require.Less(t, own.FaultLoad, 1.5)
			require.Greater(t, beside.FaultLoad, 2.7)
			require.Less(t, beside.FaultSuccess, .1)
		},
		"partial": func(own, beside playground.Figures) {
			require.InDelta(t, .875, beside.FaultSuccess, .1, "three attempts of which each fails with 1/2")
			require.Less(t, own.FaultLoad, beside.FaultLoad)
		},
		"cut": func(own, _ playground.Figures) {
			require.Zero(t, own.Lost)
			require.Greater(t, own.FaultLoad, 1.)
		},
		"slow": func(own, beside playground.Figures) {
			require.NotNil(t, own.Recovery)
			require.Nil(t, beside.Recovery, "work for callers that gave up keeps the server busy")
		},
	} {
		t.Run(fault, func(t *testing.T) {
			s := small(fault)
			check(figures(t, s, playground.Own), figures(t, s, playground.Beside))
		})
	}
}

func TestRun_SizeSetsSeverity(t *testing.T) {
	for _, fault := range playground.Faults {
		if fault.Size == "" {
			continue
		}
		s := small(fault.Name)
		s.Beside = json.RawMessage(`"unlimited"`)
		usual := figures(t, s, playground.Beside)
		s.Size = fault.Usual
		require.Equal(t, usual, figures(t, s, playground.Beside), "%s: 0 is the usual size", fault.Name)
		s.Size = fault.Least
		least := figures(t, s, playground.Beside)
		s.Size = fault.Most
		require.NotEqual(t, least, figures(t, s, playground.Beside), fault.Name)
	}
}

func TestRun_BesideDiffersOnlyInBudget(t *testing.T) {
	s := small("outage")
	s.Policy = json.RawMessage(`{"max_attempts": 1}`)
	for _, b := range playground.Budgets {
		s.Beside = b.JSON
		text, err := json.Marshal(s)
		require.NoError(t, err)
		_, err = playground.Parse(text)
		require.NoError(t, err, b.Label)
		require.Equal(t, 1., figures(t, s, playground.Beside).Load, "%s: one attempt is one attempt", b.Label)
	}
}

func TestRun_WatchAndStop(t *testing.T) {
	s := small("outage")
	seconds, calls, enough := 0, 0, errors.New("enough")
	f, err := playground.Run(s, playground.Own, func(second int, p fleet.Point) error {
		seconds, calls = second+1, calls+p.Calls
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, f.Calls, calls)
	require.GreaterOrEqual(t, seconds, s.Seconds())

	_, err = playground.Run(s, playground.Own, func(int, fleet.Point) error { return enough })
	require.ErrorIs(t, err, enough)
}

func TestParse_NamesMistakes(t *testing.T) {
	good, err := json.Marshal(small("slow"))
	require.NoError(t, err)
	for change, want := range map[string]string{
		`"clients":10|"clients":0`:                      "clients: must be between 1 and 1000, not 0",
		`"clients":10|"clients":1001`:                   "clients: must be between 1 and 1000, not 1001",
		`"rate":50|"rate":1e9`:                          "rate: must be between 10 and 5000",
		`"lasts":5|"lasts":61`:                          "lasts: must be between 1 and 60, not 61",
		`"size":0|"size":9`:                             "size: must be between 0.2 and 4, not 9",
		`"fault":"slow"|"fault":"fire"`:                 `fault: must be one of outage, partial, cut, slow, not "fire"`,
		`"seed":1|"seed":-1`:                            "settings: ",
		`"seed":1|"sead":1`:                             "sead",
		`{"attempt_timeout":"1s"}|{"max_attemps":3}`:    "policy: max_attemps: unknown field (did you mean max_attempts?)",
		`{"attempt_timeout":"1s"}|null`:                 "policy: must be a JSON object",
		`"beside":"unlimited"|"beside":"no"`:            "beside: budget",
		`"beside":"unlimited"|"beside":{"aws":{"x":1}}`: "beside: budget.aws.x",
	} {
		from, to, _ := strings.Cut(change, "|")
		require.Contains(t, string(good), from)
		_, err := playground.Parse([]byte(strings.Replace(string(good), from, to, 1)))
		require.ErrorContains(t, err, want)
	}
	_, err = playground.Run(playground.Settings{Policy: json.RawMessage(`{}`)}, playground.Own, nil)
	require.ErrorContains(t, err, "clients")
	_, err = playground.Parse(nil)
	require.Error(t, err)
}

// The page that has this package must stay small.
func TestImports_NeitherGRPCNorOpenTelemetry(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "evenkeel/bench/fleet")
	for _, large := range []string{"google.golang.org", "go.opentelemetry.io", "net/http", "crypto/tls"} {
		require.NotContains(t, string(out), large)
	}
}
