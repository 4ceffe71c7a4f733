package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// found is an entry of the index: a page, or a place in one.
type found struct {
	URL   string `json:"u"`
	Page  string `json:"p"`
	Title string `json:"t,omitempty"` // of the place
	Words string `json:"w,omitempty"`
}

// searchIndex returns a script with all that a search may find. A script loads from the file
// system too, where a page may not fetch.
func (s *site) searchIndex() ([]byte, error) {
	var all []found
	for _, source := range slices.Sorted(maps.Keys(s.pages)) {
		p := s.pages[source]
		for _, t := range p.texts {
			url := p.Path
			if t.id != "" {
				url += "#" + t.id
			}
			all = append(all, found{url, p.Title, t.title, strings.Join(strings.Fields(t.words), " ")})
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte("self.evenkeelIndex = "), data, []byte(";\n")), nil
}
