package grpcx

import (
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// splitMethod splits "/package.Service/Method".
func splitMethod(full string) (service, method string, ok bool) {
	service, method, ok = strings.Cut(strings.TrimPrefix(full, "/"), "/")
	return service, method, ok && full[0] == '/' && service != "" && method != "" && !strings.Contains(method, "/")
}

// idempotentKey returns the key by which a name given to WithIdempotentMethods is looked up.
func idempotentKey(name string) (key string, ok bool) {
	if name == "*" {
		return "", true
	}
	full := "/" + strings.TrimPrefix(name, "/")
	if _, _, ok := splitMethod(full); !ok {
		return "", false
	}
	key = strings.TrimSuffix(full, "*") // no method is called *
	if strings.Contains(key, "*") || key != full && !strings.HasSuffix(key, "/") {
		return "", false
	}
	return key, true
}

// declared reports whether WithIdempotentMethods names a method.
func (c *config) declared(method string) bool {
	if len(c.idempotent) == 0 {
		return false
	}
	service := method[:strings.LastIndexByte(method, '/')+1]
	return c.idempotent[method] || c.idempotent[service] || c.idempotent[""]
}

// mayBeShadow reports whether err may refuse a second copy of a call because the first had its
// effect. That can be so for a method which may be sent twice but does have an effect, as its
// .proto file says.
func mayBeShadow(fullMethod string, err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition:
		return levelOf(fullMethod) == descriptorpb.MethodOptions_IDEMPOTENT
	}
	return false
}

// levels caches the idempotency_level of the methods that the registry knows: a lookup costs more
// than 100 ns.
var levels sync.Map // full method name to descriptorpb.MethodOptions_IdempotencyLevel

// safeLevel reports whether the .proto file of a method says that it may be sent twice.
func safeLevel(fullMethod string) bool {
	return levelOf(fullMethod) != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}

func levelOf(fullMethod string) (level descriptorpb.MethodOptions_IdempotencyLevel) {
	if level, ok := levels.Load(fullMethod); ok {
		return level.(descriptorpb.MethodOptions_IdempotencyLevel)
	}
	service, method, ok := splitMethod(fullMethod)
	if !ok {
		return 0
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return 0 // not cached: it may be registered later, and the number of unknown names has no bound
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return 0
	}
	o, _ := m.Options().(*descriptorpb.MethodOptions)
	level = o.GetIdempotencyLevel()
	levels.Store(fullMethod, level)
	return level
}
