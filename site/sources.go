package main

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// markdownFiles returns the files that become pages: those at the root, the README of integration,
// and all of docs.
func markdownFiles(root string) ([]string, error) {
	var sources []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "integration/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		for _, file := range found {
			name, err := filepath.Rel(root, file)
			if err != nil {
				return nil, err
			}
			sources = append(sources, filepath.ToSlash(name))
		}
	}
	slices.Sort(sources)
	return sources, nil
}

// exampleFolders returns the folders below examples that hold a program.
func exampleFolders(root string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(root, "examples", "*", "main.go"))
	var dirs []string
	for _, file := range found {
		dirs = append(dirs, "examples/"+filepath.Base(filepath.Dir(file)))
	}
	return dirs, err
}

func exists(root, name string) bool {
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
	return err == nil
}

func isPicture(name string) bool {
	return slices.Contains([]string{".svg", ".png"}, strings.ToLower(path.Ext(name)))
}

// copy adds a file to the site as it is. It reports whether there is one.
func (s *site) copy(name string) bool {
	data, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(name)))
	if err != nil {
		return false
	}
	s.files[name] = data
	return true
}
