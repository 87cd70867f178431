package httpapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"oktalk/internal/evaluation"
)

const (
	apiDescription = `Pronunciation coaching: post a recording of a sentence read aloud, get scores at once, and follow the evaluation while coaching text and audio are made for it.

Errors are problems (RFC 9457) whose type is one of those at /problems. Every answer has a request id in X-Request-Id.`

	createDescription = `Scores a recording and answers with the evaluation. Coaching text, its audio and a model reading follow; progress_url, which holds a single-use ticket, tells when. A refusal stores nothing.`

	audioDescription = `Redirects to a signed address of the audio, or gives that address as JSON when the request's Accept names application/json.`

	replayDescription = `Runs entries again with their original input. By default as shadows: what the learner has does not change, and only the comparison shows the results. With apply the whole chain runs as a shadow first; then text and audio take the originals' place together, unless they are worse.`

	progressDescription = `One path, three ways. With an upgrade to WebSocket: messages until the evaluation is final, then close code 1000. With Accept: text/event-stream: the same messages as server-sent events. Otherwise: the newest message as JSON, as soon as its version is above after, or when wait seconds have passed.

Every message carries the whole changing state, without words; versions rise, and some may be left out. Close codes from 4000 to 4499 mean: connect again; from 4500 to 4999: do not (4501: the key was revoked; 4504: the evaluation was deleted).`
)

// withProblems adds the kinds of problems to the responses of an operation, by status.
func withProblems(registry huma.Registry, responses map[string]*huma.Response, names []string) map[string]*huma.Response {
	if responses == nil {
		responses = map[string]*huma.Response{}
	}
	schema := registry.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, name := range names {
		k, _ := kindOf(name)
		status := strconv.Itoa(k.Status)
		r := responses[status]
		if r == nil {
			r = &huma.Response{Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
			responses[status] = r
		}
		r.Description = strings.TrimPrefix(r.Description+", "+name, ", ")
	}
	return responses
}

func progressResponses(registry huma.Registry) map[string]*huma.Response {
	message := registry.Schema(reflect.TypeFor[evaluation.Message](), true, "Message")
	return map[string]*huma.Response{
		"101": {Description: "WebSocket: text messages of the form of 200"},
		"200": {Description: "The newest message, or a stream of them", Content: map[string]*huma.MediaType{
			"application/json":  {Schema: message},
			"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString, Description: "Events named by message type, with the version as id and a message as data"}},
		}},
	}
}

// completeDescription adds what the framework cannot know: the form that the handler reads by itself, and which values may be null.
func completeDescription(doc *huma.OpenAPI) {
	create := doc.Paths["/v1/evaluations"].Post
	create.RequestBody = formBody()
	schemas := doc.Components.Schemas.Map()
	for _, s := range schemas {
		for _, p := range s.Properties {
			completeProperty(p)
		}
	}
	for _, name := range []string{"scores", "error"} { // pointers to objects
		ref := schemas["View"].Properties[name]
		schemas["View"].Properties[name] = &huma.Schema{OneOf: []*huma.Schema{{Ref: ref.Ref}, {Type: "null"}}, Description: ref.Description}
	}
	replayed := schemas["Result"].Properties["replay"]
	schemas["Result"].Properties["replay"] = &huma.Schema{OneOf: []*huma.Schema{{Ref: replayed.Ref}, {Type: "null"}}, Description: replayed.Description}
	view := &huma.Schema{Ref: "#/components/schemas/View", Description: "The evaluation without words"}
	schemas["Message"].Properties["evaluation"] = view
	audio := doc.Components.Schemas.Schema(reflect.TypeFor[audioBody](), true, "AudioURL")
	for path, item := range doc.Paths {
		if strings.HasSuffix(path, "-audio") || strings.HasSuffix(path, "/recording") {
			item.Get.Responses["200"].Content = map[string]*huma.MediaType{
				"application/json": {Schema: audio}, "audio/*": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			}
		}
	}
}

// completeProperty makes a nullable enumeration contain null, and lists, which are never null, not nullable.
func completeProperty(p *huma.Schema) {
	if p.Nullable && len(p.Enum) > 0 && !slices.Contains(p.Enum, nil) {
		p.Enum = append(p.Enum, nil)
	}
	if p.Type == huma.TypeArray {
		p.Nullable = false
	}
}

func formBody() *huma.RequestBody {
	limit := evaluation.MaxTextCharacters
	text := func(description string, f field) *huma.Schema {
		s := &huma.Schema{Type: huma.TypeString, Description: description}
		if f.fallback != "" {
			s.Default = f.fallback
		}
		for _, a := range f.allowed {
			if a != "" {
				s.Enum = append(s.Enum, a)
			}
		}
		return s
	}
	descriptions := map[string]string{
		"target_text":       fmt.Sprintf("What the learner was asked to read: 1 to %d words", evaluation.MaxTextWords),
		"language":          "Language of the target text",
		"category":          "Length class of the target text; inferred if absent",
		"feedback_language": "Language of the coaching text",
		"native_language":   "Language that the learner grew up with, as a BCP 47 tag: what is easily confused depends on it. One that is not known is no error",
		"demo":              "When a model reading is made; auto: when the overall score is below 90",
	}
	schema := &huma.Schema{Type: huma.TypeObject, Required: []string{"audio", "target_text"}, Properties: map[string]*huma.Schema{
		"audio": {Type: huma.TypeString, Format: "binary", Description: "The recording: WAV, MP3, Ogg, WebM, M4A or FLAC, at most 10 MB, 0.3 to 60 seconds"},
	}}
	for _, f := range formFields {
		schema.Properties[f.name] = text(descriptions[f.name], f)
	}
	schema.Properties["target_text"].MaxLength = &limit
	schema.Properties["target_text"].Examples = []any{"I like apples"}
	schema.Properties["native_language"].Examples = []any{"zh"}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: schema}}}
}

//go:embed docs.html
var docsTemplate string

// renderDocs makes the page at /docs: plain HTML without scripts, fonts or anything else from another place.
func renderDocs(doc *huma.OpenAPI) ([]byte, error) {
	t, err := template.New("docs").Funcs(template.FuncMap{"type": typeName, "statuses": statuses, "schema": schemaName}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse the template of /docs: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		*huma.OpenAPI
		Operations []*huma.Operation
		Schemas    map[string]*huma.Schema
		Problems   []kind
	}{doc, operations(doc), doc.Components.Schemas.Map(), kinds})
	if err != nil {
		return nil, fmt.Errorf("render /docs: %w", err)
	}
	return b.Bytes(), nil
}

// operations lists the operations by path, and by method in the order of a thing's life.
func operations(doc *huma.OpenAPI) []*huma.Operation {
	var list []*huma.Operation
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Get, item.Delete} {
			if op != nil {
				list = append(list, op)
			}
		}
	}
	order := map[string]int{http.MethodPost: 0, http.MethodGet: 1, http.MethodDelete: 2}
	slices.SortFunc(list, func(a, b *huma.Operation) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return order[a.Method] - order[b.Method]
	})
	return list
}

func statuses(op *huma.Operation) []string {
	var list []string
	for s := range op.Responses {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// typeName says in a few words what a value looks like.
func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return schemaName(s)
	case len(s.OneOf) > 0:
		var names []string
		for _, o := range s.OneOf {
			names = append(names, typeName(o))
		}
		return strings.Join(names, " or ")
	case s.Type == huma.TypeArray:
		return "list of " + typeName(s.Items)
	}
	name := s.Type
	if s.Format != "" {
		name += " (" + s.Format + ")"
	}
	if s.Nullable {
		name += " or null"
	}
	return name
}

// schemaName is the name of a referenced schema; empty if there is none.
func schemaName(s *huma.Schema) string {
	if s == nil || s.Ref == "" {
		return ""
	}
	return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
}

// page serves fixed content.
func page(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		_, _ = w.Write(content) // the client may be gone
	}
}

func problemList() []byte {
	var b bytes.Buffer
	for _, k := range kinds {
		fmt.Fprintf(&b, "/problems/%s  (%d %s)\n    %s\n", k.Name, k.Status, k.Title, k.Advice)
	}
	return b.Bytes()
}

// explainProblem answers the type of a problem with what it means.
func explainProblem(w http.ResponseWriter, r *http.Request) {
	k, ok := kindOf(chi.URLParam(r, "name"))
	if !ok {
		notFound(w, r)
		return
	}
	page("text/plain; charset=utf-8", fmt.Appendf(nil, "%s (HTTP status %d)\n\n%s\n", k.Title, k.Status, k.Advice))(w, r)
}
