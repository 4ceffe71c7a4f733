// Package kubernetes_test runs client-go's rest client over httpx against a server that speaks
// the Kubernetes API: what lists, writes and watches get with the library and without it, and how
// many requests the server sees. With -short only a watch that the server hangs up on is tested.
package kubernetes_test
