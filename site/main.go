// Command site builds the project's web site from README, docs and the documentation of the
// packages, as a folder that opens from the file system or from any static server:
//
//	go -C site run . -o DIR       # all of it, the playground too
//	go -C site run . -pictures    # draw the pictures in docs anew
//
// Nothing is written for the site alone but its frame: a page is a Markdown file of the
// repository, or the documentation of a package. A link that leads nowhere fails the build.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("site: ")
	out := flag.String("o", "", "write the site to `DIR`")
	pictures := flag.Bool("pictures", false, "draw the pictures of docs that show figures, and exit")
	flag.Parse()
	if err := run(*out, *pictures); err != nil {
		log.Fatal(err)
	}
}

func run(out string, pictures bool) error {
	const root = ".." // the repository, seen from the folder of this module
	switch {
	case pictures:
		return draw(filepath.Join(root, "docs"))
	case out == "":
		return errors.New("where to? Use -o DIR")
	}
	files, err := generate(root)
	if err != nil {
		return err
	}
	if err := write(out, files); err != nil {
		return err
	}
	fmt.Printf("%d files, open %s\n", len(files), filepath.Join(out, "index.html"))
	return nil
}

// write puts the files into a folder. What else is there stays.
func write(out string, files map[string][]byte) error {
	for name, data := range files {
		file := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
