package grpcx

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestAPlaceForTheTrailerIsFoundByAShift(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the padding is made for 64 bits")
	}
	require.EqualValues(t, 256, unsafe.Sizeof(sink{}))
}
