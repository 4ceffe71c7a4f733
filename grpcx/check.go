package grpcx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/evenkeel-go/evenkeel/internal/conf"
)

// CheckMethods reports the names that match no service or method of the .proto files linked into
// the program: a misspelled name has no effect, and nothing else reports it. It accepts the forms
// of NewPolicies and WithIdempotentMethods. Call it from a test; services without generated code
// are not known.
func CheckMethods(names ...string) error {
	var errs []error
	for _, name := range names {
		err := errors.New(mustBeAMethod)
		if key, ok := methodKey(name); ok {
			err = checkKey(key)
		}
		errs = append(errs, conf.In(strconv.Quote(name), err))
	}
	return prefixed(errs)
}

// CheckMethods checks the names of ps, those of a service config included, as the function
// CheckMethods does.
func (ps *Policies) CheckMethods() error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(ps.byName)) {
		errs = append(errs, conf.In(strconv.Quote(strings.Trim(key, "/")), checkKey(key)))
	}
	return prefixed(errs)
}

func prefixed(errs []error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("grpcx: bad method names: %w", err)
	}
	return nil
}

// checkKey checks a key of Policies.byName against the registry.
func checkKey(key string) error {
	if key == "" {
		return nil
	}
	service, method, _ := strings.Cut(strings.TrimPrefix(key, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		return unknownName("no such service in the linked .proto files", conf.Nearest(service, services()))
	}
	if method == "" || sd.Methods().ByName(protoreflect.Name(method)) != nil {
		return nil
	}
	var all []string
	for i := range sd.Methods().Len() {
		all = append(all, string(sd.Methods().Get(i).Name()))
	}
	return unknownName("no such method in the linked .proto files", conf.Nearest(method, all))
}

func unknownName(what, meant string) error {
	if meant != "" {
		what += " (did you mean " + meant + "?)"
	}
	return errors.New(what)
}

func services() (names []string) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			names = append(names, string(f.Services().Get(i).FullName()))
		}
		return true
	})
	slices.Sort(names)
	return names
}
