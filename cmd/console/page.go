package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"qualifyd/cmd/desk"
	"qualifyd/sync/logged"
)

//go:embed page
var pageFiles embed.FS

// pages are the templates, each with the frame around it.
var pages = map[string]*template.Template{
	"overview": parsePage("overview.html", "plot.html"),
	"referral": parsePage("referral.html"),
	"message":  parsePage("message.html"),
}

func parsePage(files ...string) *template.Template {
	paths := []string{"page/frame.html"}
	for _, file := range files {
		paths = append(paths, "page/"+file)
	}
	return template.Must(template.New("frame.html").Funcs(inTemplates).ParseFS(pageFiles, paths...))
}

// style is served under a name that changes with it, so that browsers may keep it.
var (
	style     = pageFile("style.css")
	icon      = pageFile("icon.svg")
	stylePath = "/style-" + hash(style) + ".css"
)

func pageFile(name string) []byte {
	content, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // the file was there when the program was built
	}
	return content
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:6])
}

// page answers browsers from a desk.
type page struct {
	desk *atomic.Pointer[desk.Desk]
	log  zerolog.Logger
}

// newPage returns the page's handler. It reads, and changes nothing.
func newPage(d *atomic.Pointer[desk.Desk], log zerolog.Logger) http.Handler {
	p := &page{d, log}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", p.overview)
	mux.HandleFunc("/referral", p.referral)
	mux.HandleFunc(stylePath, kept("text/css; charset=utf-8", style))
	mux.HandleFunc("/icon.svg", kept("image/svg+xml", icon))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p.say(w, http.StatusNotFound, "There is no such page", "The page consists of an overview and a search.")
	})
	return p.guard(mux)
}

// kept serves what never changes under its path.
func kept(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "max-age=86400")
		w.Write(content)
	}
}

// frame is what every page has around it.
type frame struct {
	Title   string
	Style   string
	Search  string // what the search box holds
	Refresh bool   // the browser asks again after a minute
	Main    any
}

// show sends a page. It is complete before its first byte leaves, so that what goes wrong can still be said.
func (p *page) show(w http.ResponseWriter, status int, name string, f frame) {
	f.Style = stylePath
	var out bytes.Buffer
	if err := pages[name].Execute(&out, f); err != nil {
		p.log.Error().Err(err).Str(logged.Page, name).Msg("the page cannot be shown")
		http.Error(w, "The page cannot be shown. The log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(out.Bytes())
}

// message is a page with a sentence only.
type message struct{ Heading, Text string }

func (p *page) say(w http.ResponseWriter, status int, heading, text string) {
	p.show(w, status, "message", frame{Title: heading, Main: message{heading, text}})
}

// fail says that something went wrong; what it was is for the log only.
func (p *page) fail(w http.ResponseWriter, err error) {
	p.log.Error().Err(err).Msg("the page cannot be answered")
	p.say(w, http.StatusInternalServerError, "Something went wrong", "The answer could not be read from the store. The log says why; the page itself changes nothing.")
}

func (p *page) overview(w http.ResponseWriter, r *http.Request) {
	o, err := desk.OverviewQuestion.Answer(r.Context(), p.desk.Load(), desk.Asker{}, desk.Nothing{}, nil)
	if err != nil {
		p.fail(w, err)
		return
	}
	refreshes := r.URL.Query().Get("refresh") != "off"
	p.show(w, http.StatusOK, "overview", frame{Title: "Overview", Refresh: refreshes, Main: newOverview(o, refreshes)})
}

// longestSearch is how many characters a search may have: an e-mail address has 254 at most.
const longestSearch = 300

// found is what a search came to.
type found struct {
	Search  string
	Stories []desk.Story
}

// Unknown is said where there is no story.
func (f found) Unknown() desk.Unknown { return desk.NobodyMeant(f.Search) }

func (p *page) referral(w http.ResponseWriter, r *http.Request) {
	search := strings.TrimSpace(strings.ToValidUTF8(r.URL.Query().Get("q"), "\uFFFD"))
	f := found{Search: search}
	switch {
	case search == "":
		p.show(w, http.StatusOK, "referral", frame{Title: "Find a referral", Main: f})
		return
	case utf8.RuneCountInString(search) > longestSearch:
		p.say(w, http.StatusBadRequest, "That is too long", "A referral is found by its id, its code, the Id of a Salesforce record, or an e-mail address.")
		return
	}
	var err error
	f.Stories, err = desk.ExplainQuestion.Answer(r.Context(), p.desk.Load(), desk.Asker{}, desk.ReferralRequest{Referral: search}, nil)
	if err != nil {
		p.fail(w, err)
		return
	}
	title := "Nobody found"
	switch len(f.Stories) {
	case 0:
	case 1:
		title = fmt.Sprintf("Referral %d", f.Stories[0].ID)
	default:
		title = fmt.Sprintf("%d referrals", len(f.Stories))
	}
	p.show(w, http.StatusOK, "referral", frame{Title: title, Search: search, Main: f})
}
