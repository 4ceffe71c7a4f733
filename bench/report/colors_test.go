package report

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// color is red, green and blue, from 0 to 1 and linear in light.
type color [3]float64

func parseColor(t *testing.T, hex string) (c color) {
	t.Helper()
	for i := range c {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		require.NoError(t, err)
		if v := float64(n) / 255; v <= .04045 {
			c[i] = v / 12.92
		} else {
			c[i] = math.Pow((v+.055)/1.055, 2.4)
		}
	}
	return c
}

// seenAs returns the color as somebody sees it, by the matrices of Machado, Oliveira and Fernandes
// (2009).
func (c color) seenAs(m [3]color) (seen color) {
	for i := range seen {
		for j := range c {
			seen[i] += m[i][j] * c[j]
		}
		seen[i] = min(max(seen[i], 0), 1)
	}
	return seen
}

var sights = map[string][3]color{
	"normal":       {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{.152286, 1.052583, -.204868}, {.114503, .786281, .099216}, {-.003882, -.048116, 1.051998}},
	"deuteranopia": {{.367322, .860646, -.227968}, {.280085, .672501, .047413}, {-.011820, .042940, .968881}},
}

func (c color) luminance() float64 { return .2126*c[0] + .7152*c[1] + .0722*c[2] }

// lab returns the color in CIELAB under D65.
func (c color) lab() (l, a, b float64) {
	f := func(t float64) float64 {
		if t > 216./24389 {
			return math.Cbrt(t)
		}
		return (24389./27*t + 16) / 116
	}
	x := f((.4124564*c[0] + .3575761*c[1] + .1804375*c[2]) / .95047)
	y := f(.2126729*c[0] + .7151522*c[1] + .0721750*c[2])
	z := f((.0193339*c[0] + .1191920*c[1] + .9503041*c[2]) / 1.08883)
	return 116*y - 16, 500 * (x - y), 200 * (y - z)
}

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }

// deltaE returns the difference of two colors by CIEDE2000, in the words of Sharma, Wu and Dalal
// (2005).
func deltaE(l1, a1, b1, l2, a2, b2 float64) float64 {
	pow7 := func(c float64) float64 { return math.Sqrt(math.Pow(c, 7) / (math.Pow(c, 7) + math.Pow(25, 7))) }
	g := .5 * (1 - pow7((math.Hypot(a1, b1)+math.Hypot(a2, b2))/2))
	a1, a2 = a1*(1+g), a2*(1+g)
	c1, c2 := math.Hypot(a1, b1), math.Hypot(a2, b2)
	hue := func(a, b float64) float64 { return math.Mod(math.Atan2(b, a)*180/math.Pi+360, 360) }
	h1, h2 := hue(a1, b1), hue(a2, b2)
	dh, h := h2-h1, (h1+h2)/2
	switch {
	case c1*c2 == 0:
		dh, h = 0, h1+h2
	case dh > 180:
		dh -= 360
	case dh < -180:
		dh += 360
	}
	if c1*c2 != 0 && math.Abs(h1-h2) > 180 {
		h = math.Mod(h+180, 360)
	}
	dl, dc, dH := l2-l1, c2-c1, 2*math.Sqrt(c1*c2)*math.Sin(radians(dh/2))
	l, c := (l1+l2)/2-50, (c1+c2)/2
	t := 1 - .17*math.Cos(radians(h-30)) + .24*math.Cos(radians(2*h)) + .32*math.Cos(radians(3*h+6)) - .2*math.Cos(radians(4*h-63))
	sl, sc, sh := 1+.015*l*l/math.Sqrt(20+l*l), 1+.045*c, 1+.015*c*t
	rt := -math.Sin(radians(60*math.Exp(-math.Pow((h-275)/25, 2)))) * 2 * pow7(c)
	return math.Sqrt(math.Pow(dl/sl, 2) + math.Pow(dc/sc, 2) + math.Pow(dH/sh, 2) + rt*dc/sc*dH/sh)
}

// Pairs of the paper, which tell implementations apart.
func TestDeltaE_MatchesPaper(t *testing.T) {
	for want, lab := range map[float64][6]float64{
		2.0425: {50, 2.6772, -79.7751, 50, 0, -82.7485},
		2.3669: {50, 0, 0, 50, -1, 2},
		1.2644: {60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387},
		1.2630: {63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864},
		1.8731: {61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620},
		1.8645: {35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901},
	} {
		require.InDelta(t, want, deltaE(lab[0], lab[1], lab[2], lab[3], lab[4], lab[5]), 1e-4)
	}
}

// palettes returns the tones of the style sheet, for a light page and for a dark one.
func palettes(t *testing.T) map[string]map[string]string {
	t.Helper()
	blocks := regexp.MustCompile(`(?s)\.chart \{(.*?)\}`).FindAllStringSubmatch(chartCSS, -1)
	require.Len(t, blocks, 2)
	all := map[string]map[string]string{}
	for i, page := range []string{"light", "dark"} {
		all[page] = map[string]string{}
		for _, m := range regexp.MustCompile(`--(\w+): (#[0-9a-f]{6});`).FindAllStringSubmatch(blocks[i][1], -1) {
			all[page][m[1]] = m[2]
		}
	}
	return all
}

var tones = []Tone{Grey, Red, Ochre, Green, Purple, Us, You}

// At most six hues and a gray, which the color-blind can tell apart, too, and which stand out from
// the page.
func TestColors_Distinguishable(t *testing.T) {
	for page, palette := range palettes(t) {
		require.Len(t, palette, len(tones)+len([]string{"ink", "quiet", "rule", "paper"}), "no other hues")
		for sight, matrix := range sights {
			for i, one := range tones {
				l1, a1, b1 := parseColor(t, palette[string(one)]).seenAs(matrix).lab()
				for _, other := range tones[:i] {
					l2, a2, b2 := parseColor(t, palette[string(other)]).seenAs(matrix).lab()
					require.Greater(t, deltaE(l1, a1, b1, l2, a2, b2), 10., "%s and %s, %s page, %s", one, other, page, sight)
				}
			}
		}
		paper := parseColor(t, palette["paper"]).luminance()
		for _, one := range tones {
			on := parseColor(t, palette[string(one)]).luminance()
			require.GreaterOrEqual(t, (max(on, paper)+.05)/(min(on, paper)+.05), 3., "%s on a %s page", one, page)
		}
	}
}

func TestColors_AllInStyleSheet(t *testing.T) {
	for _, one := range tones {
		require.Contains(t, chartCSS, fmt.Sprintf(".%[1]s { --tone: var(--%[1]s); }", one))
	}
	require.Equal(t, len(tones), strings.Count(chartCSS, "{ --tone: var(--")-1, "and that of the legend")
}
