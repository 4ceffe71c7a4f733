package kubernetes_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolswatch "k8s.io/client-go/tools/watch"

	"github.com/evenkeel-go/evenkeel/retry"
)

// watchPods opens a watch, with retries of client-go's own that many times.
func watchPods(ctx context.Context, c *rest.RESTClient, retries int, version string) (watch.Interface, error) {
	return c.Get().Namespace("default").Resource("pods").
		Param("watch", "true").Param("resourceVersion", version).
		MaxRetries(retries).Watch(ctx)
}

// next returns the name of the pod of the next event, and false at the end of a watch.
func next(t *testing.T, w watch.Interface) (string, bool) {
	t.Helper()
	e, ok := <-w.ResultChan()
	if !ok {
		return "", false
	}
	p, isPod := e.Object.(*corev1.Pod)
	require.True(t, isPod, "%v", e)
	return p.Name, true
}

// The server hangs up before it has answered. client-go takes some errors for the end of a watch
// with nothing in it, by identity and by their text.
func TestWatch_ServerHangsUp(t *testing.T) {
	for name, test := range map[string]struct {
		reset  bool
		served map[string]int32
		fails  string // the mode in which the watch is an error
	}{
		"reset": {true, map[string]int32{"bare": 1, "evenkeel": 3, "evenkeel_once": 1}, ""},
		"EOF":   {false, map[string]int32{"bare": 1, "evenkeel": 3, "evenkeel_once": 1}, "evenkeel"},
	} {
		for _, mode := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ int32) { hangUp(w, test.reset) })
				w, err := watchPods(patient(t), s.client(t, mode), 0, "0")
				require.Equal(t, test.served[mode], s.served.Load())
				if mode == test.fails { // three attempts came to nothing, and that is what it says
					var e *retry.Error
					require.ErrorAs(t, err, &e)
					require.ErrorIs(t, err, io.EOF)
					require.Equal(t, 3, e.Attempts)
					return
				}
				require.NoError(t, err)
				_, ok := next(t, w)
				require.False(t, ok, "an empty watch")
			})
		}
	}
}

// The server hangs up once: client-go opens the watch again after a second by itself, the library
// does at once.
func TestWatch_ServerHangsUpOnce(t *testing.T) {
	skipShort(t)
	for _, reset := range []bool{false, true} {
		for _, mode := range modes {
			t.Run(map[bool]string{false: "EOF", true: "reset"}[reset]+"/"+mode, func(t *testing.T) {
				s := newServer(t, func(w http.ResponseWriter, r *http.Request, n int32) {
					if n == 1 {
						hangUp(w, reset)
						return
					}
					event(w, pod(1))
					<-r.Context().Done()
				})
				w, err := watchPods(patient(t), s.client(t, mode), 10, "0")
				require.NoError(t, err)
				defer w.Stop()
				name, _ := next(t, w)
				require.Equal(t, "pod-1", name)
				require.EqualValues(t, 2, s.served.Load())
			})
		}
	}
}

// Each event arrives while the server is still at work, and the server hears of the end,
// whichever way the client gives up.
func TestWatch_Events(t *testing.T) {
	skipShort(t)
	for _, mode := range modes {
		for _, how := range []string{"stop", "cancel"} {
			t.Run(mode+"/"+how, func(t *testing.T) {
				more, gone := make(chan struct{}), make(chan struct{})
				s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ int32) {
					defer close(gone)
					for i := 1; ; i++ {
						event(w, pod(i))
						select {
						case <-more:
						case <-r.Context().Done():
							return
						}
					}
				})
				ctx, cancel := context.WithCancel(patient(t))
				defer cancel()
				w, err := watchPods(ctx, s.client(t, mode), 0, "0")
				require.NoError(t, err)
				defer w.Stop()
				for _, want := range []string{"pod-1", "pod-2", "pod-3"} {
					name, ok := next(t, w)
					require.True(t, ok)
					require.Equal(t, want, name)
					more <- struct{}{}
				}
				if how == "stop" {
					w.Stop()
				} else {
					cancel()
				}
				<-gone
				require.EqualValues(t, 1, s.served.Load())
			})
		}
	}
}

// A watch that breaks off ends, and nothing is sent again but by a watcher that knows where it
// was: that one sees every event once.
func TestWatch_BreaksOff(t *testing.T) {
	skipShort(t)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ int32) {
				if r.URL.Query().Get("resourceVersion") == "2" {
					event(w, pod(3))
					<-r.Context().Done()
					return
				}
				event(w, pod(1))
				event(w, pod(2))
				panic(http.ErrAbortHandler)
			})
			c, ctx := s.client(t, mode), patient(t)
			plain, err := watchPods(ctx, c, 0, "1")
			require.NoError(t, err)
			var names []string
			for name, ok := next(t, plain); ok; name, ok = next(t, plain) {
				names = append(names, name)
			}
			require.Equal(t, []string{"pod-1", "pod-2"}, names)
			require.EqualValues(t, 1, s.served.Load())

			from := watcher(func(version string) (watch.Interface, error) { return watchPods(ctx, c, 0, version) })
			again, err := toolswatch.NewRetryWatcherWithContext(ctx, "1", from)
			require.NoError(t, err)
			for _, want := range []string{"pod-1", "pod-2", "pod-3"} {
				name, ok := next(t, again)
				require.True(t, ok)
				require.Equal(t, want, name)
			}
			again.Stop()
			<-again.Done()
			require.EqualValues(t, 3, s.served.Load())
		})
	}
}

// watcher opens a watch from a resource version on.
type watcher func(version string) (watch.Interface, error)

func (w watcher) WatchWithContext(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return w(o.ResourceVersion)
}
