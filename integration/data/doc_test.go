// Package data_test runs go-redis and database/sql under retry.Do, against miniredis and SQLite:
// what a caller gets with the library and without it, and how many commands the server sees. It
// takes a few seconds, with -short as well.
package data_test
