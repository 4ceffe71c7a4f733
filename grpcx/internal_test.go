package grpcx

import "google.golang.org/grpc/metadata"

// ConnectionLost lets the tests ask what the classification is told of an attempt that ended so.
func ConnectionLost(err error, header, trailer metadata.MD) bool {
	st, _ := statusOf(err)
	e := ending{err: err, header: header, trailer: trailer, reported: true}
	return e.lost(st)
}
