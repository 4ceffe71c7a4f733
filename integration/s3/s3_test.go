package s3_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// operations are what a client does, and whether the server holds the object before.
var operations = map[string]struct {
	holds bool
	run   func(context.Context, client) (string, error)
	want  string
}{
	"put":    {false, func(ctx context.Context, c client) (string, error) { return "", c.put(ctx) }, ""},
	"get":    {true, func(ctx context.Context, c client) (string, error) { return c.get(ctx) }, content},
	"remove": {true, func(ctx context.Context, c client) (string, error) { return "", c.remove(ctx) }, ""},
}

// each runs f for every client, operation and mode.
func each(t *testing.T, f func(t *testing.T, newClient func(*fake) client, operation, mode string)) {
	for name, of := range clients {
		for operation := range operations {
			for _, mode := range modes {
				t.Run(name+"/"+operation+"/"+mode, func(t *testing.T) {
					f(t, func(s *fake) client { return of(t, s, mode) }, operation, mode)
				})
			}
		}
	}
}

func TestS3_HealthyServer(t *testing.T) {
	skipShort(t)
	each(t, func(t *testing.T, newClient func(*fake) client, operation, _ string) {
		op := operations[operation]
		s := newFake(t, op.holds, 0, nil)
		got, err := op.run(patient(t), newClient(s))
		require.NoError(t, err)
		require.Equal(t, op.want, got)
		require.EqualValues(t, 1, s.served.Load())
	})
}

// Both clients stream what they upload in bodies without GetBody, so that an upload that was read
// is sent again with WithBodyBuffer only. All three operations are idempotent by their method.
func TestS3_FirstAttemptsFail(t *testing.T) {
	for name, fail := range map[string]fault{"503": slowDown, "reset": reset, "lost_reply": lose} {
		t.Run(name, func(t *testing.T) {
			if name != "503" {
				skipShort(t)
			}
			each(t, func(t *testing.T, newClient func(*fake) client, operation, mode string) {
				op := operations[operation]
				s := newFake(t, op.holds, 2, fail)
				c := newClient(s)
				got, err := op.run(patient(t), c)
				if mode == "bare" || mode == "evenkeel" && operation == "put" {
					require.Error(t, err)
					if name == "503" {
						require.ErrorContains(t, err, "Reduce your request rate.", "the server's own words")
					}
					require.EqualValues(t, 1, s.served.Load())
					return
				}
				require.NoError(t, err)
				require.Equal(t, op.want, got)
				require.EqualValues(t, 3, s.served.Load())
				if operation == "put" {
					got, err = c.get(patient(t))
					require.NoError(t, err)
					require.Equal(t, content, got, "what arrived at last is whole")
				}
			})
		})
	}
}

// A server that does not recover: the client has its last answer, and nobody has asked more often
// than the policy says.
func TestS3_ServerStaysBusy(t *testing.T) {
	skipShort(t)
	each(t, func(t *testing.T, newClient func(*fake) client, operation, mode string) {
		op := operations[operation]
		s := newFake(t, op.holds, 1000, slowDown)
		_, err := op.run(patient(t), newClient(s))
		require.ErrorContains(t, err, "Reduce your request rate.")
		want := 3
		if mode == "bare" || mode == "evenkeel" && operation == "put" {
			want = 1
		}
		require.EqualValues(t, want, s.served.Load())
	})
}

// An answer that has begun is the caller's: a download that breaks off is an error, and is not
// begun anew behind its back.
func TestS3_DownloadBreaksOff(t *testing.T) {
	skipShort(t)
	for name, of := range clients {
		for _, mode := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				s := newFake(t, true, 1, breakOff)
				_, err := of(t, s, mode).get(patient(t))
				require.ErrorContains(t, err, "unexpected EOF")
				require.EqualValues(t, 1, s.served.Load())
			})
		}
	}
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short runs the 503s alone")
	}
}
