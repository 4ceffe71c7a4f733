package grpcx

import (
	"reflect"

	"google.golang.org/protobuf/proto"
)

// emptyReply returns a new reply of the same type that shares nothing with reply. If there can be
// none, it returns reply itself: the attempts of a call that is not hedged then write to the
// caller's reply one after the other.
func emptyReply(reply any) (_ any, fresh bool) {
	if m, ok := reply.(proto.Message); ok {
		return m.ProtoReflect().New().Interface(), true
	}
	if t := reflect.TypeOf(reply); t != nil && t.Kind() == reflect.Pointer {
		return reflect.New(t.Elem()).Interface(), true
	}
	return reply, false
}

// blankReply returns an empty reply as the model for those of hedged attempts. It reports false
// for a reply that is not of protobuf and has content before the call (the caller's defaults,
// something its codec needs): a new reply would lack that or share it, so the call is not hedged.
func blankReply(reply any) (_ any, fresh bool) {
	_, isProto := reply.(proto.Message)
	if v := reflect.ValueOf(reply); !isProto && v.Kind() == reflect.Pointer && (v.IsNil() || !v.Elem().IsZero()) {
		return reply, false
	}
	return emptyReply(reply)
}

// copyReply sets dst to src. Both come from the same emptyReply.
func copyReply(dst, src any) {
	if m, ok := dst.(proto.Message); ok {
		proto.Reset(m)
		proto.Merge(m, src.(proto.Message))
		return
	}
	reflect.ValueOf(dst).Elem().Set(reflect.ValueOf(src).Elem())
}
