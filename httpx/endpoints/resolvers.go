package endpoints

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Addrs returns a Resolver for addresses that never change, each "host:port", or "host" with the
// port of the request.
//
// It panics if there is none or one is empty.
func Addrs(addrs ...string) Resolver {
	list := make([]Endpoint, len(addrs))
	for i, a := range addrs {
		if a == "" {
			panic(fmt.Sprintf("endpoints.Addrs: argument %d must not be empty", i+1))
		}
		list[i] = Endpoint{Addr: a}
	}
	if len(list) == 0 {
		panic("endpoints.Addrs: no address")
	}
	return fixed(list)
}

// URLs returns a Resolver for base URLs that never change, such as "https://a.example/v1".
//
// It panics if there is none or one is not an absolute HTTP URL, or has more than a scheme, a
// host, and a path.
func URLs(urls ...string) Resolver {
	list := make([]Endpoint, len(urls))
	for i, text := range urls {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			panic(fmt.Sprintf("endpoints.URLs: %v", err))
		case u.Scheme != "http" && u.Scheme != "https", u.Host == "",
			u.User != nil, u.RawQuery != "", u.Fragment != "", u.Opaque != "":
			panic(fmt.Sprintf("endpoints.URLs: %q must be scheme, host, and path", u.Redacted()))
		}
		list[i] = Endpoint{URL: u}
	}
	if len(list) == 0 {
		panic("endpoints.URLs: no URL")
	}
	return fixed(list)
}

func fixed(list []Endpoint) Resolver {
	return func(context.Context) ([]Endpoint, error) { return list, nil }
}

// DNS returns a Resolver that asks net.DefaultResolver: for the SRV records of a name such as
// "_http._tcp.orders.internal", with their ports and weights, and for the A and AAAA records of
// any other.
//
// Of SRV records only those of the lowest priority are used. Of addresses only those of one
// family are, the one that the resolver lists first (RFC 6724): a server usually has one of each.
func DNS(name string) Resolver { return DNSFrom(net.DefaultResolver, name) }

// DNSFrom resolves as DNS does, with another resolver.
func DNSFrom(r *net.Resolver, name string) Resolver {
	if name == "" {
		panic("endpoints.DNSFrom: name must not be empty")
	}
	if strings.HasPrefix(name, "_") {
		return func(ctx context.Context) ([]Endpoint, error) { return lookupSRV(ctx, r, name) }
	}
	return func(ctx context.Context) ([]Endpoint, error) { return lookupIP(ctx, r, name) }
}

func lookupIP(ctx context.Context, r *net.Resolver, name string) ([]Endpoint, error) {
	ips, err := r.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, err
	}
	var list []Endpoint
	for _, ip := range ips {
		if ip.Unmap().Is4() == ips[0].Unmap().Is4() {
			list = append(list, Endpoint{Addr: ip.Unmap().String()})
		}
	}
	return list, nil
}

func lookupSRV(ctx context.Context, r *net.Resolver, name string) ([]Endpoint, error) {
	_, records, err := r.LookupSRV(ctx, "", "", name)
	if err != nil {
		return nil, err
	}
	var list []Endpoint
	for _, s := range records { // sorted by priority
		host := strings.TrimSuffix(s.Target, ".")
		if s.Priority != records[0].Priority || host == "" {
			continue
		}
		list = append(list, Endpoint{Addr: net.JoinHostPort(host, strconv.Itoa(int(s.Port))), Weight: int(s.Weight)})
	}
	return list, nil
}
