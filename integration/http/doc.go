// Package http has tests of httpx against real parts that the library itself must not depend on.
package http
