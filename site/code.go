package main

import (
	"fmt"
	"html"
	"strings"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
)

// highlighted returns a block of code with a class for each kind of token that the style sheet
// has a color for. A language that nobody knows stays plain.
func highlighted(code, language string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<pre tabindex="0"><code%s>`, languageClass(language))
	lexer := lexers.Get(language)
	if language == "" || lexer == nil {
		b.WriteString(html.EscapeString(code))
	} else if tokens, err := chroma.Coalesce(lexer).Tokenise(nil, code); err != nil {
		b.WriteString(html.EscapeString(code))
	} else {
		for token := range tokens.Stdlib() {
			text := html.EscapeString(token.Value)
			if class := classOf(token.Type); class != "" {
				text = `<span class="` + class + `">` + text + `</span>`
			}
			b.WriteString(text)
		}
	}
	b.WriteString("</code></pre>\n")
	return b.String()
}

func languageClass(language string) string {
	if language == "" {
		return ""
	}
	return ` class="language-` + html.EscapeString(language) + `"`
}

// classOf returns the class of a kind of token, or none.
func classOf(t chroma.TokenType) string {
	switch {
	case t.InCategory(chroma.Comment):
		return "c"
	case t == chroma.KeywordType || t == chroma.NameTag || t == chroma.NameBuiltin:
		return "t"
	case t.InCategory(chroma.Keyword):
		return "k"
	case t.InSubCategory(chroma.LiteralString):
		return "s"
	case t.InSubCategory(chroma.LiteralNumber):
		return "n"
	case t == chroma.NameFunction:
		return "f"
	}
	return ""
}
