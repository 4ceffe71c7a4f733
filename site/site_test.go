package main

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var madeOnce = sync.OnceValues(func() (map[string][]byte, error) { return generate("..") })

// made returns the files of the site; all tests share them.
func made(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := madeOnce()
	require.NoError(t, err)
	return files
}
