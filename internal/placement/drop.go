package placement

// Drop marks the error of a picker that ends an attempt on purpose, which must not be sent again:
// embed it beside the picker's error. IsDrop distinguishes it from the error of a connection that
// was not there.
type Drop struct{}

func (Drop) drop() {}

// IsDrop reports whether err embeds a Drop. It does not unwrap err: gRPC returns a picker's error
// as it is.
func IsDrop(err error) bool {
	_, ok := err.(interface{ drop() })
	return ok
}
