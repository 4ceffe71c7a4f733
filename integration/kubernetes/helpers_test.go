package kubernetes_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/evenkeel-go/evenkeel/backoff"
	"github.com/evenkeel-go/evenkeel/httpx"
	"github.com/evenkeel-go/evenkeel/retry"
)

// patience is how long what hangs is given. No test waits for it.
const patience = 30 * time.Second

// modes are the transports that are compared. The first is net/http alone.
var modes = []string{"bare", "evenkeel", "evenkeel_once"}

// apiserver answers by serve, and counts requests.
type apiserver struct {
	*httptest.Server
	served atomic.Int32
}

// newServer makes a server whose serve is given which request this is, from 1.
func newServer(t *testing.T, serve func(w http.ResponseWriter, r *http.Request, n int32)) *apiserver {
	t.Helper()
	s := &apiserver{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, s.served.Add(1))
	}))
	t.Cleanup(s.Close)
	return s
}

// client makes a rest client of v1.
func (s *apiserver) client(t *testing.T, mode string) *rest.RESTClient {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, corev1.AddToScheme(scheme))
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	cfg := &rest.Config{
		Host: s.URL, APIPath: "/api", QPS: -1, Transport: base,
		ContentConfig: rest.ContentConfig{
			GroupVersion:         &corev1.SchemeGroupVersion,
			NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(),
		},
	}
	if mode != "bare" {
		attempts := 3
		if mode == "evenkeel_once" {
			attempts = 1
		}
		wait := backoff.Constant(time.Millisecond)
		p := retry.Must(retry.New(retry.Config{MaxAttempts: attempts, Backoff: wait, ThrottledBackoff: wait}))
		cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper { return httpx.NewTransport(rt, p) })
	}
	c, err := rest.RESTClientFor(cfg)
	require.NoError(t, err)
	return c
}

// pod makes a pod whose resource version is the number in its name.
func pod(n int) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "pod-" + strconv.Itoa(n), Namespace: "default", ResourceVersion: strconv.Itoa(n),
		},
	}
}

// send writes an answer of the API.
func send(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse writes an error of the API.
func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	send(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: string(reason),
	})
}

// event writes an event of a watch, and sends it off.
func event(w http.ResponseWriter, p *corev1.Pod) {
	w.Header().Set("Content-Type", "application/json") // of the first event; later it changes nothing
	object, _ := json.Marshal(p)
	_ = json.NewEncoder(w).Encode(metav1.WatchEvent{Type: "ADDED", Object: runtime.RawExtension{Raw: object}})
	_ = http.NewResponseController(w).Flush()
}

// hangUp ends the connection without an answer: by a reset, or as if there had been nothing to
// say.
func hangUp(w http.ResponseWriter, reset bool) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := c.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short runs a watch that the server hangs up on alone")
	}
}
