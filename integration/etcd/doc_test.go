// Package etcd_test runs etcd's client over grpcx against an embedded server that is killed and
// restarted, and whose replies get lost: what the client gets with the library and without it,
// and how many calls the server sees. With -short only the lost reply of a compare-and-set is
// tested.
package etcd_test
