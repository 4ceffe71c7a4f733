// Package sdks_test runs eleven SDKs bare, with their own retries, and with the lines of
// docs/sdks.md over evenkeel, against a server inside the process: its tables are what these
// tests count. With -short go-github, oauth2, Prometheus, Consul and azcore are tested.
package sdks_test
