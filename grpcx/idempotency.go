package grpcx

import (
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// splitMethod splits "/package.Service/Method".
func splitMethod(full string) (service, method string, ok bool) {
	service, method, ok = strings.Cut(strings.TrimPrefix(full, "/"), "/")
	return service, method, ok && full[0] == '/' && service != "" && method != "" && !strings.Contains(method, "/")
}

// levels remembers the idempotency_level of the methods that the registry knows: a lookup costs more than 100 ns.
var levels sync.Map // full method name to bool

// safeLevel reports whether the .proto file of a method says that it may be sent twice.
func safeLevel(fullMethod string) bool {
	if safe, ok := levels.Load(fullMethod); ok {
		return safe.(bool)
	}
	service, method, ok := splitMethod(fullMethod)
	if !ok {
		return false
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return false // not remembered: it may be registered later, and unknown names have no bound
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return false
	}
	o, _ := m.Options().(*descriptorpb.MethodOptions)
	safe := o.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
	levels.Store(fullMethod, safe)
	return safe
}
