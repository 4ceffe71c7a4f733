package kubernetes_test

import (
	"context"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/integration/internal/fakenet"
	"github.com/evenkeel-go/evenkeel/retry"
)

func wrap(config *rest.Config, policy *retry.Policy) {
	// docs/sdks.md#client-go
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return httpx.NewTransport(rt, policy) })
	// end
}

// getPod reads a pod with a client that is changed by prepare, and retries of client-go's own that
// many times.
func getPod(ctx context.Context, retries int, prepare func(*rest.Config)) error {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	cfg := &rest.Config{
		Host: "https://kubernetes.default.svc", APIPath: "/api", QPS: -1, Transport: http.DefaultTransport,
		ContentConfig: rest.ContentConfig{
			GroupVersion:         &corev1.SchemeGroupVersion,
			NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(),
		},
	}
	prepare(cfg)
	c, err := rest.RESTClientFor(cfg)
	if err != nil {
		return err
	}
	return c.Get().Namespace("default").Resource("pods").Name("pod-1").MaxRetries(retries).Do(ctx).Error()
}

func TestSDKs_ClientGo(t *testing.T) {
	skipShort(t)
	const its = 10 // client-go's default
	busy := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
	}
	answer := func(w http.ResponseWriter, _ *http.Request) { send(w, http.StatusOK, pod(1)) }
	bare, evenkeel := func(*rest.Config) {}, func(c *rest.Config) { wrap(c, retry.Must(retry.New(retry.Config{}))) }
	fakenet.HTTP(t, "client-go", busy, answer,
		fakenet.Way{Label: fakenet.Bare, Call: func(ctx context.Context) error { return getPod(ctx, 0, bare) }},
		fakenet.Way{Label: fakenet.Own, Call: func(ctx context.Context) error { return getPod(ctx, its, bare) }},
		fakenet.Way{Label: "**the lines above**, and `MaxRetries(0)`", Call: func(ctx context.Context) error {
			return getPod(ctx, 0, evenkeel)
		}},
		fakenet.Way{Label: fakenet.Both, Call: func(ctx context.Context) error { return getPod(ctx, its, evenkeel) }},
	)
}
