package rpcinfo_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
)

type other struct{}

func TestFromFindsTheInfoThroughDerivedContexts(t *testing.T) {
	parent := context.WithValue(t.Context(), other{}, "kept")
	want := rpcinfo.Info{Method: "pkg.Service/Method", Target: "dns:///host"}
	ctx, cancel := context.WithCancel(&rpcinfo.Context{Context: parent, Info: want})
	defer cancel()

	got, ok := rpcinfo.From(ctx)
	require.True(t, ok)
	require.Equal(t, want, got)
	require.Equal(t, "kept", ctx.Value(other{}))

	_, ok = rpcinfo.From(parent)
	require.False(t, ok)
}
