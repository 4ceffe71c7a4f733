//go:build !race

package endpoints_test

const underRace = false
