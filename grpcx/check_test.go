package grpcx_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/evenkeel-go/evenkeel/grpcx"
	"github.com/evenkeel-go/evenkeel/retry"
)

func TestNames_LeadingSlashOptional(t *testing.T) {
	for _, names := range [][3]string{
		{"grpc.testing.TestService/UnaryCall", "grpc.testing.TestService", ""},
		{"/grpc.testing.TestService/UnaryCall", "/grpc.testing.TestService/*", "*"},
		{"/grpc.testing.TestService/UnaryCall", "grpc.testing.TestService/*", "*"},
	} {
		ps, err := grpcx.NewPolicies(map[string]*retry.Policy{
			names[0]: policy(t, attempts(4)), names[1]: policy(t, attempts(2)), names[2]: policy(t, attempts(1)),
		})
		require.NoError(t, err)
		call := grpcx.UnaryClientInterceptor(policy(t), grpcx.WithPolicies(ps))
		for method, want := range map[string]int{unaryCall: 4, emptyCall: 2, "/other/Method": 1} {
			n := 0
			_ = call(t.Context(), method, nil, nil, nil,
				func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					n++
					return unavailable()
				})
			require.Equal(t, want, n, "%v %s", names, method)
		}
	}
	_, err := grpcx.NewPolicies(map[string]*retry.Policy{"a.S/M": policy(t), "/a.S/M": policy(t)})
	require.ErrorContains(t, err, `"a.S/M": named twice`)
	for _, bad := range []string{"/", "//", "a.S/", "a.S/*/", "a.*/M", "*/M", "a.S/M*"} {
		_, err := grpcx.NewPolicies(map[string]*retry.Policy{bad: policy(t)})
		require.Error(t, err, bad)
	}
}

func TestCheckMethods_FindsMisspelledNames(t *testing.T) {
	require.NoError(t, grpcx.CheckMethods(
		"grpc.testing.TestService/UnaryCall", "/grpc.testing.TestService/EmptyCall", "grpc.testing.TestService",
		"grpc.testing.TestService/*", "*", "",
	))
	err := grpcx.CheckMethods("grpc.testing.TestService/UnayCall", "grpc.testing.TestServise", "a.B/C", "a/b/c")
	require.EqualError(t, err, `grpcx: bad method names: "grpc.testing.TestService/UnayCall": `+
		"no such method in the linked .proto files (did you mean UnaryCall?)\n"+
		`"grpc.testing.TestServise": no such service in the linked .proto files (did you mean grpc.testing.TestService?)`+"\n"+
		`"a.B/C": no such service in the linked .proto files`+"\n"+
		`"a/b/c": must be "", "package.Service" or "package.Service/Method"`)

	ps, err := grpcx.FromServiceConfig(`{"methodConfig": [{"name": [{"service": "grpc.testing.TestService", "method": "Unary"},
		{"service": "grpc.testing.TestService", "method": "UnaryCall"}, {}]}]}`)
	require.NoError(t, err)
	require.EqualError(t, ps.CheckMethods(), `grpcx: bad method names: "grpc.testing.TestService/Unary": `+
		"no such method in the linked .proto files")
}

func TestServiceConfig_SyntaxErrorHasPosition(t *testing.T) {
	_, err := grpcx.FromServiceConfig("{\n  \"methodConfig\": [}\n")
	require.EqualError(t, err, "grpcx: bad service config: must be a JSON object: line 2, column 20: "+
		"invalid character '}' looking for beginning of value")
}
