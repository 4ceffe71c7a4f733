//go:build race

package budget_test

const race = true
