package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// check returns an error for each link between files that leads nowhere, for each anchor that is
// not there, and for each id that is there twice. Addresses of other sites are not asked.
func check(files map[string][]byte) []error {
	ids := map[string]map[string]bool{}
	links := map[string][]string{}
	var errs []error
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if path.Ext(name) != ".html" {
			continue
		}
		tree, err := html.Parse(bytes.NewReader(files[name]))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		ids[name] = map[string]bool{}
		for node := range tree.Descendants() {
			for _, a := range node.Attr {
				switch {
				case a.Key == "id" && ids[name][a.Val]:
					errs = append(errs, fmt.Errorf("%s: %s is there twice", name, a.Val))
				case a.Key == "id":
					ids[name][a.Val] = true
				case a.Key == "href" || a.Key == "src" || a.Key == "data-src":
					links[name] = append(links[name], a.Val)
				}
			}
		}
	}
	for _, from := range names {
		for _, link := range links[from] {
			if err := lead(files, ids, from, link); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", from, err))
			}
		}
	}
	return errs
}

// lead returns an error if a link of a page leads nowhere.
func lead(files map[string][]byte, ids map[string]map[string]bool, from, link string) error {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return err
	case u.Scheme == "https" || u.Scheme == "http" || u.Scheme == "mailto":
		return nil
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
		return fmt.Errorf("%s is no link that works everywhere", link)
	}
	target := from
	if u.Path != "" {
		target = path.Join(path.Dir(from), u.Path)
	}
	if files[target] == nil {
		return fmt.Errorf("%s: there is no %s", link, target)
	}
	if u.Fragment != "" && !ids[target][u.Fragment] {
		return fmt.Errorf("%s: %s has no %s", link, target, u.Fragment)
	}
	return nil
}
