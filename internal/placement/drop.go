package placement

// Drop is the error of a picker that ends an attempt on purpose: it must not be sent again. An
// error that embeds it and the picker's own is distinguished from a connection that could not be
// had by IsDrop.
type Drop struct{}

func (Drop) drop() {}

// IsDrop reports whether err is a Drop. Wrapped ones are none: gRPC returns a picker's error as
// it is.
func IsDrop(err error) bool {
	_, ok := err.(interface{ drop() })
	return ok
}
