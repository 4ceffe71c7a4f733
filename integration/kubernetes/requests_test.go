package kubernetes_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// The reply to a write is lost: the object may exist, so nothing is sent again, and client-go's
// own test of the error finds what it looks for.
func TestWrite_ReplyIsLost(t *testing.T) {
	skipShort(t)
	for _, reset := range []bool{false, true} {
		for _, mode := range modes {
			t.Run(map[bool]string{false: "EOF", true: "reset"}[reset]+"/"+mode, func(t *testing.T) {
				s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ int32) {
					_, _ = io.Copy(io.Discard, r.Body)
					hangUp(w, reset)
				})
				post := s.client(t, mode).Post().Namespace("default").Resource("pods").Body(pod(1))
				err := post.Do(patient(t)).Error()
				require.Error(t, err)
				require.True(t, utilnet.IsProbableEOF(err), "%v", err)
				require.EqualValues(t, 1, s.served.Load())
			})
		}
	}
}

// What the server says to the first request, and what the client has of it. client-go obeys a
// Retry-After by itself, and nothing else.
func TestRequest_FirstAttemptFails(t *testing.T) {
	skipShort(t)
	get := func(c *rest.RESTClient) *rest.Request { return c.Get() }
	put := func(c *rest.RESTClient) *rest.Request { return c.Put().Body(pod(1)) }
	post := func(c *rest.RESTClient) *rest.Request { return c.Post().Body(pod(1)) }
	for name, test := range map[string]struct {
		verb           func(*rest.RESTClient) *rest.Request
		code           int
		retryAfter     string
		bare, evenkeel int32 // how many requests; 1 ends with the error
	}{
		"get/500":               {get, 500, "", 1, 2},
		"get/503":               {get, 503, "", 1, 2},
		"get/429_retry_after":   {get, 429, "1", 2, 2},
		"put/503":               {put, 503, "", 1, 2},
		"put/503_retry_after":   {put, 503, "1", 2, 2},
		"put/409":               {put, 409, "", 1, 1},
		"get/404":               {get, 404, "", 1, 1},
		"post/500":              {post, 500, "", 1, 1},
		"post/429_retry_after":  {post, 429, "1", 2, 2}, // by client-go
		"post/409_already_here": {post, 409, "", 1, 1},
	} {
		for _, mode := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel() // where a Retry-After says a second, it is one
				s := newServer(t, func(w http.ResponseWriter, r *http.Request, n int32) {
					_, _ = io.Copy(io.Discard, r.Body)
					if n > 1 {
						send(w, http.StatusOK, pod(1))
						return
					}
					if test.retryAfter != "" {
						w.Header().Set("Retry-After", test.retryAfter)
					}
					refuse(w, test.code, metav1.StatusReasonUnknown)
				})
				var got corev1.Pod
				r := test.verb(s.client(t, mode)).Namespace("default").Resource("pods").Name("pod-1")
				err := r.Do(patient(t)).Into(&got)
				want := test.bare
				if mode == "evenkeel" {
					want = test.evenkeel
				}
				require.Equal(t, want, s.served.Load())
				if want == 1 {
					var status apierrors.APIStatus
					require.ErrorAs(t, err, &status)
					require.EqualValues(t, test.code, status.Status().Code)
					return
				}
				require.NoError(t, err)
				require.Equal(t, "pod-1", got.Name)
			})
		}
	}
}
