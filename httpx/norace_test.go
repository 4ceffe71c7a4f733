//go:build !race

package httpx_test

const underRace = false
