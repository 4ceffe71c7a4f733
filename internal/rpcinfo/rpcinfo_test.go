package rpcinfo_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
)

type otherKey struct{}

func TestInfo_OnlyInCallsOwnContext(t *testing.T) {
	parent := context.WithValue(t.Context(), otherKey{}, "kept")
	want := rpcinfo.Info{Method: "pkg.Service/Method", Target: "dns:///host"}
	ctx := &rpcinfo.Context{Context: parent, Info: want}

	got, ok := rpcinfo.From(ctx)
	require.True(t, ok)
	require.Equal(t, want, got)
	require.Equal(t, "kept", ctx.Value(otherKey{}))

	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	_, ok = rpcinfo.From(inner)
	require.False(t, ok, "a call made inside the RPC is not the RPC")
	_, ok = rpcinfo.From(parent)
	require.False(t, ok)
}
