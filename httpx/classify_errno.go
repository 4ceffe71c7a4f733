//go:build !plan9

package httpx

import "syscall"

func init() {
	ended = append(ended, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT)
}
