package s3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

const bucket, key, content = "bucket", "key", "what is kept"

// patience is how long what hangs is given. No test waits for it.
const patience = 30 * time.Second

// modes are the ways of retrying that are compared: nobody does, the client itself, the library,
// and the library with a buffer for bodies. In the last three the other layer is off.
var modes = []string{"bare", "own", "evenkeel", "evenkeel_buffer"}

// fake is an S3 server that fails the first requests it gets, and counts them all.
type fake struct {
	*httptest.Server
	served atomic.Int32
}

// A fault is what happens to a request; next serves it.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

func slowDown(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>`)
}

// reset breaks the connection before the request has had an effect.
func reset(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// lose breaks the connection after the request has had its effect.
func lose(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	reset(w, r, nil)
}

// breakOff sends half of the answer's body.
func breakOff(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
	_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// newFake makes a server that holds an object if it is to, and fails its first n requests.
func newFake(t *testing.T, holds bool, n int32, fail fault) *fake {
	t.Helper()
	store := s3mem.New()
	require.NoError(t, store.CreateBucket(bucket))
	if holds {
		meta := map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}
		_, err := store.PutObject(bucket, key, meta, strings.NewReader(content), int64(len(content)), nil)
		require.NoError(t, err)
	}
	f := &fake{}
	s3 := gofakes3.New(store, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.served.Add(1) <= n {
			fail(w, r, s3)
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// transport makes the RoundTripper of a mode.
func transport(t *testing.T, mode string) http.RoundTripper {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	wait := backoff.Constant(time.Millisecond)
	p := retry.Must(retry.New(retry.Config{Backoff: wait, ThrottledBackoff: wait}))
	switch mode {
	case "evenkeel":
		return httpx.NewTransport(base, p)
	case "evenkeel_buffer":
		return httpx.NewTransport(base, p, httpx.WithBodyBuffer(1<<20))
	default:
		return base
	}
}

// client names the methods of an S3 client that the tests call.
type client interface {
	put(ctx context.Context) error
	get(ctx context.Context) (string, error)
	remove(ctx context.Context) error
}

// clients make a client of a server in a mode.
var clients = map[string]func(t *testing.T, f *fake, mode string) client{
	"aws": func(t *testing.T, f *fake, mode string) client {
		o := s3.Options{
			BaseEndpoint: aws.String(f.URL), UsePathStyle: true, Region: "us-east-1", Retryer: aws.NopRetryer{},
			Credentials: awscredentials.NewStaticCredentialsProvider("id", "secret", ""),
			HTTPClient:  &http.Client{Transport: transport(t, mode)},
		}
		if mode == "own" {
			o.Retryer = awsretry.NewStandard(func(o *awsretry.StandardOptions) { o.MaxBackoff = 10 * time.Millisecond })
		}
		return awsClient{s3.New(o)}
	},
	"minio": func(t *testing.T, f *fake, mode string) client {
		o := &minio.Options{
			Creds: miniocredentials.NewStaticV4("id", "secret", ""), Region: "us-east-1",
			Transport: transport(t, mode), MaxRetries: 1,
		}
		if mode == "own" {
			o.MaxRetries = 3
		}
		c, err := minio.New(strings.TrimPrefix(f.URL, "http://"), o)
		require.NoError(t, err)
		return minioClient{c}
	},
}

type awsClient struct{ c *s3.Client }

func (c awsClient) put(ctx context.Context) error {
	_, err := c.c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(content),
	})
	return err
}

func (c awsClient) get(ctx context.Context) (string, error) {
	o, err := c.c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		return "", err
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	return string(b), err
}

func (c awsClient) remove(ctx context.Context) error {
	_, err := c.c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	return err
}

type minioClient struct{ c *minio.Client }

func (c minioClient) put(ctx context.Context) error {
	_, err := c.c.PutObject(ctx, bucket, key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
	return err
}

func (c minioClient) get(ctx context.Context) (string, error) {
	o, err := c.c.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return "", err
	}
	defer o.Close()
	b, err := io.ReadAll(o)
	return string(b), err
}

func (c minioClient) remove(ctx context.Context) error {
	return c.c.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
