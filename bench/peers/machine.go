package main

import (
	"os"
	"runtime"
	"strings"
)

// machine describes where figures were measured, without a name that is anybody's own.
type machine struct {
	CPU        string `json:"cpu"`
	Processors int    `json:"processors"`
	Go         string `json:"go"`
	System     string `json:"system"`
	Kernel     string `json:"kernel"`
	Load       string `json:"load"` // of the last minute, when the run began
}

// thisMachine describes the machine that the program runs on.
func thisMachine() machine {
	return machine{
		CPU:        afterColon(contentOf("/proc/cpuinfo"), "model name"),
		Processors: runtime.NumCPU(),
		Go:         runtime.Version(),
		System:     runtime.GOOS + "/" + runtime.GOARCH,
		Kernel:     kernelVersion(contentOf("/proc/sys/kernel/osrelease")),
		Load:       firstWord(contentOf("/proc/loadavg")),
	}
}

func contentOf(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}

// afterColon returns the value of the first line that begins with name.
func afterColon(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// kernelVersion returns the numbers of a release, without what a vendor or a host appended.
func kernelVersion(release string) string {
	version, _, _ := strings.Cut(strings.TrimSpace(release), "-")
	return version
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
