package console_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
)

// screens are a small phone, a usual one, and a desk's.
var screens = []int64{320, 390, 1280}

func TestThePageIsForEverybody(t *testing.T) {
	b := newTab(t)
	w := newWorld(t)
	w.busy()
	full, empty := w.open(), newWorld(t).open()
	for _, url := range []string{
		full.URL, empty.URL, full.URL + "referral", full.URL + "referral?q=1001", full.URL + "referral?q=nobody", hostileWorld(t).open().URL,
	} {
		b.do(chromedp.Navigate(url))
		for _, width := range screens {
			for _, dark := range []bool{false, true} {
				b.look(width, dark)
				for _, fault := range evaluate[[]string](b, faults) {
					t.Errorf("%s, %d px wide, dark %v: %s", url, width, dark, fault)
				}
			}
		}
	}
}

// faults lists what keeps people out: it looks for what the usual checkers of accessibility look for.
const faults = `(() => {
	const out = [], say = (what, e) => out.push(what + ': ' + (e ? e.outerHTML.slice(0, 120) : ''));
	const all = (selector) => [...document.querySelectorAll(selector)];
	const shown = (e) => e.checkVisibility() && e.getClientRects().length > 0;

	if (document.documentElement.lang !== 'en') say('no language');
	if (!document.title) say('no title');
	for (const mark of ['h1', 'main', 'header', '[role=search]']) if (all(mark).length !== 1) say('there should be one ' + mark);
	let level = 0;
	for (const h of all('h1,h2,h3,h4,h5,h6')) {
		if (+h.tagName[1] > level + 1) say('a heading skips a level', h);
		if (!h.textContent.trim()) say('an empty heading', h);
		level = +h.tagName[1];
	}
	const ids = all('[id]').map(e => e.id);
	ids.filter((id, i) => ids.indexOf(id) !== i).forEach(id => say('an id twice: ' + id));
	const named = (e) => (e.getAttribute('aria-labelledby') || '').split(/\s+/).filter(Boolean).every(id => document.getElementById(id)?.textContent.trim());
	for (const e of all('[aria-labelledby]')) if (!named(e)) say('the name is not there', e);
	for (const e of all('body svg')) if (e.getAttribute('aria-hidden') !== 'true' && !(e.getAttribute('role') === 'img' && e.getAttribute('aria-labelledby'))) say('a drawing without a name', e);
	for (const e of all('img')) if (!e.hasAttribute('alt') || !e.naturalWidth) say('a picture without a text, or not loaded', e);
	for (const e of all('input')) if (!e.labels.length) say('an input without a label', e);
	for (const e of all('a,button,summary')) if (!e.textContent.trim()) say('a control without a name', e);
	for (const e of all('[role=region]')) if (e.tabIndex !== 0 || !e.getAttribute('aria-label')) say('a scrolling region out of reach of the keyboard', e);
	for (const e of all('time')) if (isNaN(Date.parse(e.dateTime))) say('not a time', e);
	for (const e of all('td[data-label]')) if (shown(e) && e.getAttribute('role') !== 'cell') say('a cell that is none when stacked', e);

	if (document.documentElement.scrollWidth > innerWidth) {
		say('it scrolls sideways, ' + document.documentElement.scrollWidth + ' px', all('body *').find(e => e.getBoundingClientRect().right > innerWidth + 1));
	}
	for (const e of all('a,button,input,summary')) {
		const box = e.getBoundingClientRect();
		if (shown(e) && !e.closest('p') && (box.height < 24 || box.width < 24)) say('too small to hit, ' + box.width + ' by ' + box.height, e);
	}

	for (const drawing of all('svg[role=img]')) {
		const labels = [...drawing.querySelectorAll('.tick')].map(e => [e, e.getBoundingClientRect()]);
		for (const [e, a] of labels) for (const [f, b] of labels) {
			if (e !== f && a.left < b.right + 2 && b.left < a.right + 2 && a.top < b.bottom && b.top < a.bottom) say('a label runs into ' + f.textContent, e);
			if (a.left < 0 || a.right > innerWidth) say('a label is cut off', e);
		}
	}

	const rgb = (text) => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
	const light = (c) => c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const contrast = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); };
	const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
	const check = (e, colour, least) => {
		const ratio = contrast(rgb(colour), ground(e));
		if (ratio < least) say('a contrast of ' + ratio.toFixed(2) + ' instead of ' + least, e);
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement;
		if (!texts.currentNode.textContent.trim() || !shown(e) || e.closest('title,desc')) continue;
		const style = getComputedStyle(e), size = parseFloat(style.fontSize);
		check(e, e.closest('svg') ? style.fill : style.color, size >= 24 || size >= 18.66 && +style.fontWeight >= 700 ? 3 : 4.5);
	}
	for (const e of all('.bar,.dot,.used')) check(e, getComputedStyle(e).fill, 3);
	for (const e of all('input')) { check(e, getComputedStyle(e, '::placeholder').color, 4.5); check(e, getComputedStyle(e).borderTopColor, 3); }
	return out;
})()`

func TestEverythingIsReachedByTheKeyboard(t *testing.T) {
	b := newTab(t)
	w := newWorld(t)
	w.busy()
	b.look(1280, false)
	b.do(chromedp.Navigate(w.open().URL))
	var reached []string
	for range 4 {
		b.do(chromedp.KeyEvent(kb.Tab))
		reached = append(reached, evaluate[string](b, `document.activeElement.innerText || document.activeElement.name`))
		if hidden := evaluate[bool](b, `document.activeElement.getBoundingClientRect().top < 0 || getComputedStyle(document.activeElement).outlineStyle === 'none'`); hidden {
			t.Errorf("the focus on %q is not to be seen", reached[len(reached)-1])
		}
	}
	if diff := cmp.Diff([]string{"Skip to the content", "qualifyd", "q", "Explain"}, reached); diff != "" {
		t.Errorf("what Tab reaches (-want +got):\n%s", diff)
	}
	b.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)), chromedp.KeyEvent("code1001"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("article.story")))
	heading := evaluate[string](b, `document.querySelector('h1').innerText + ', ' + document.querySelector('h2').innerText`)
	if heading != "Referral 1001, Ada" {
		t.Errorf("after the search: got %q, want the story of referral 1001, Ada", heading)
	}
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter)) // the skip link
	if at := evaluate[string](b, `document.activeElement.id`); at != "main" {
		t.Errorf("behind the skip link: the focus is at %q, want main", at)
	}
}

func TestNamesAreTextInABrowserToo(t *testing.T) {
	b := newTab(t) // fails by a dialog, and by anything that the policy has to stop
	page := hostileWorld(t).open()
	b.look(390, false)
	for _, path := range append([]string{""}, each(len(hostile), func(i int) string { return fmt.Sprintf("referral?q=id:%d", 1001+i) })...) {
		b.do(chromedp.Navigate(page.URL + path))
		if n := evaluate[int](b, `document.querySelectorAll('script, style, [onerror], img:not([src="/icon.svg"])').length`); n > 0 {
			t.Errorf("%s: %d elements came out of names", path, n)
		}
		if sideways := evaluate[bool](b, `document.documentElement.scrollWidth > innerWidth`); sideways {
			t.Errorf("%s: it scrolls sideways", path)
		}
	}
	b.do(chromedp.Navigate(page.URL))
	names := evaluate[[]string](b, `[...document.querySelectorAll('.who a bdi')].map(e => e.textContent)`)
	slices.Reverse(names)
	for i, want := range hostile[:5] {
		if !slices.Contains(names, want) {
			t.Errorf("name %d is not in the list as it is: %q", i, names)
		}
	}
}

func each(n int, fn func(int) string) (out []string) {
	for i := range n {
		out = append(out, fn(i))
	}
	return out
}

func TestTheBadgesAndThePlotsInABrowser(t *testing.T) {
	b := newTab(t)
	w := newWorld(t)
	w.busy()
	b.do(chromedp.Navigate(w.open().URL))
	badges := evaluate[[]string](b, `[...document.querySelectorAll('.three .badge')].map(e => e.innerText)`)
	if diff := cmp.Diff([]string{"✓ Connected", "✓ Connected", "✓ Live"}, badges); diff != "" {
		t.Errorf("the badges (-want +got):\n%s", diff)
	}
	names := evaluate[[]string](b, `[...document.querySelectorAll('svg[role=img]')].map(e => document.getElementById(e.getAttribute('aria-labelledby')).textContent)`)
	if diff := cmp.Diff([]string{"Qualifications per day", "From event to qualification"}, names); diff != "" {
		t.Errorf("the plots' names (-want +got):\n%s", diff)
	}
	words := evaluate[[]string](b, `[...document.querySelectorAll('figcaption .caption')].map(e => e.innerText)`)
	if len(words) != 2 || !strings.HasPrefix(words[0], "One bar a day") || !strings.HasPrefix(words[1], "One mark a day") {
		t.Errorf("the plots are described by %q", words)
	}
	if drawn := evaluate[[]int](b, `['.bar', '.dot', '.span'].map(c => document.querySelectorAll(c).length)`); drawn[0] == 0 || drawn[1] != drawn[0] || drawn[2] != drawn[0] {
		t.Errorf("drawn are %v bars, dots and spans, want one for each day with a qualification", drawn)
	}
	if rows := evaluate[int](b, `document.querySelectorAll('.plot:first-child tbody tr').length`); rows < 13 {
		t.Errorf("the table beside the plot has %d rows, want one for each of 13 days at least", rows)
	}
}
