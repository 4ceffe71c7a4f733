//go:build race

package balancer_test

const underRace = true
