package httpx

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/retry"
)

// BenchmarkClassifyFailure measures what a refused connection costs beside the attempt.
func BenchmarkClassifyFailure(b *testing.B) {
	_, err := net.Dial("tcp", "127.0.0.1:1")
	req, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1:1/", nil)
	b.ReportAllocs()
	for b.Loop() {
		if classifyFailure(req, err).Class != retry.Unprocessed {
			b.Fatal(err)
		}
	}
}

func TestClassifyError_LostConnection(t *testing.T) {
	op := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	for _, err := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
		op("read", os.NewSyscallError("read", syscall.ECONNRESET)), op("write", syscall.EPIPE), op("read", net.ErrClosed),
		op("read", syscall.ETIMEDOUT), // of TCP: the peer answers no keep-alives
		op("remote error", errors.New("tls: bad record MAC")), op("local error", errors.New("tls: internal error")),
		fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", io.ErrUnexpectedEOF),
		errors.New("http: server closed idle connection"), errors.New("http2: client connection lost"),
		errors.New("http2: client connection force closed via ClientConn.Close"),
		fmt.Errorf("base: %w", errors.New(`http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=""`)),
	} {
		require.True(t, lostConnection(err, textsOf(err)), err)
	}
	for _, err := range []error{
		errors.New("what?"), errors.New("malformed HTTP response \"http2: client connection lost\""),
		op("dial", syscall.ECONNREFUSED), op("dial", syscall.ETIMEDOUT), op("read", os.ErrDeadlineExceeded), os.ErrDeadlineExceeded,
		op("remote error", errors.New("tls: bad certificate")), &net.DNSError{Err: "no such host"},
	} {
		require.False(t, lostConnection(err, textsOf(err)), err)
	}
}
