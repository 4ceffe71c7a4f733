package s3_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func newAWS(cfg aws.Config, policy *retry.Policy) *s3.Client {
	// docs/sdks.md#aws-sdk-go-v2
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: httpx.NewTransport(nil, policy, httpx.WithBodyBuffer(8<<20))}
		o.Retryer = aws.NopRetryer{}
	})
	// end
	return client
}

func newMinio(creds *miniocredentials.Credentials, policy *retry.Policy) (*minio.Client, error) {
	// docs/sdks.md#minio-go
	client, err := minio.New("s3.example.com", &minio.Options{
		Creds: creds, Secure: true, Region: "us-east-1",
		Transport:  httpx.NewTransport(nil, policy, httpx.WithBodyBuffer(16<<20)),
		MaxRetries: 1, // attempts; 0 would be its default of 10
	})
	// end
	return client, err
}

func zeroPolicy() *retry.Policy { return retry.Must(retry.New(retry.Config{})) }

// awsWith makes a client with retries of the SDK's own, unless o says otherwise.
func awsWith(transport http.RoundTripper, o ...func(*s3.Options)) awsClient {
	cfg := awsConfig()
	cfg.HTTPClient = &http.Client{Transport: transport}
	return awsClient{s3.NewFromConfig(cfg, o...)}
}

func awsConfig() aws.Config {
	return aws.Config{Region: "us-east-1", Credentials: awscredentials.NewStaticCredentialsProvider("id", "secret", "")}
}

func minioWith(transport http.RoundTripper, retries int) fakenet.Call {
	return func(ctx context.Context) error {
		o := &minio.Options{
			Creds: minioCreds(), Secure: true, Region: "us-east-1", Transport: transport, MaxRetries: retries,
		}
		if transport == nil {
			o.Transport = http.DefaultTransport
		}
		c, err := minio.New("s3.example.com", o)
		if err != nil {
			return err
		}
		return minioClient{c}.put(ctx)
	}
}

func minioCreds() *miniocredentials.Credentials {
	return miniocredentials.NewStaticV4("id", "secret", "")
}

// busy is S3's answer to too many requests, and stored that to an upload.
var busy, stored = func(w http.ResponseWriter, r *http.Request) { slowDown(w, r, nil) },
	func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
	}

func TestSDKs_AWS(t *testing.T) {
	fakenet.HTTP(t, "aws-sdk-go-v2", busy, stored,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error {
			return awsWith(nil, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }).put(ctx)
		}},
		fakenet.Way{Label: fakenet.Own, Call: func(ctx context.Context) error { return awsWith(nil).put(ctx) }},
		fakenet.Way{Label: "without `WithBodyBuffer`", Call: func(ctx context.Context) error {
			none := func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }
			return awsWith(httpx.NewTransport(nil, zeroPolicy()), none).put(ctx)
		}},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			return awsClient{newAWS(awsConfig(), zeroPolicy())}.put(ctx)
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error {
			return awsWith(httpx.NewTransport(nil, zeroPolicy(), httpx.WithBodyBuffer(8<<20))).put(ctx)
		}},
	)
}

func TestSDKs_Minio(t *testing.T) {
	fakenet.HTTP(t, "minio-go", busy, stored,
		fakenet.Way{Label: fakenet.Bare, Call: minioWith(nil, 1)},
		fakenet.Way{Label: fakenet.Own, Call: minioWith(nil, 0)},
		fakenet.Way{Label: fakenet.Evenkeel, Call: func(ctx context.Context) error {
			c, err := newMinio(minioCreds(), zeroPolicy())
			require.NoError(t, err)
			return minioClient{c}.put(ctx)
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error {
			return minioWith(httpx.NewTransport(nil, zeroPolicy(), httpx.WithBodyBuffer(16<<20)), 0)(ctx)
		}},
	)
}

// The SDK signs above the transport, once: attempts are the same bytes under the same signature.
func TestSDKs_AWSSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakenet.Serve(t, 2, busy, stored)
		require.NoError(t, fakenet.Deadline(t, awsClient{newAWS(awsConfig(), zeroPolicy())}.put))
		require.Len(t, s.Requests(), 3)
		s.Same(t)
		for _, r := range s.Requests() {
			require.True(t, strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "))
			for _, name := range []string{"Authorization", "X-Amz-Date", "Amz-Sdk-Invocation-Id"} {
				require.Equal(t, s.Requests()[0].Header.Get(name), r.Header.Get(name))
			}
		}
	})
}

// The policy for uploads gives an attempt a minute, and another one to a server that says nothing.
func TestSDKs_UploadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		s := fakenet.Serve(t, 1, hang, stored)
		start := time.Now()
		require.NoError(t, fakenet.Deadline(t, awsClient{newAWS(awsConfig(), fakenet.Ready(t, "Uploads to S3"))}.put))
		require.Len(t, s.Requests(), 2)
		s.Same(t)
		require.GreaterOrEqual(t, time.Since(start), time.Minute)
	})
}
