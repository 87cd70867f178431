package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oktalk/internal/evaluation"
)

const (
	requestTimeout = 2 * time.Minute // as long as the server gives a request
	maxBody        = 64 << 20        // of an answer: a page of evaluations or audio
)

// Client calls one server with one key. It is safe for concurrent use.
type Client struct {
	base string // without a slash at the end
	key  string
	http *http.Client
}

// New makes a client of the server at base ("http://127.0.0.1:8080").
func New(base, key string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the address of a server; write it as http://host:port", base)
	}
	c := &http.Client{Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Client{base: strings.TrimRight(base, "/"), key: key, http: c}, nil
}

// URL is the server's address.
func (c *Client) URL() string { return c.base }

// Problem is an error that the server answered with (RFC 9457).
type Problem struct {
	Type       string        `json:"type"` // "/problems/no-speech"
	Title      string        `json:"title"`
	Status     int           `json:"status"`
	Detail     string        `json:"detail"`
	RequestID  string        `json:"request_id"`
	Artifact   string        `json:"artifact"`
	State      string        `json:"state"`
	RetryAfter time.Duration `json:"-"` // 0: not said
}

// Error implements error.
func (p *Problem) Error() string {
	return fmt.Sprintf("%s: %s (%s, request %s)", p.Title, p.Detail, p.Name(), p.RequestID)
}

// Name is the kind of problem, "no-speech".
func (p *Problem) Name() string { return strings.TrimPrefix(p.Type, "/problems/") }

// Is makes errors.Is tell the domain's conditions.
func (p *Problem) Is(target error) bool {
	switch target {
	case evaluation.ErrNotFound:
		return p.Name() == "not-found"
	case evaluation.ErrUnauthorized:
		return p.Name() == "unauthorized"
	case evaluation.ErrUnavailable:
		return p.Status == http.StatusServiceUnavailable
	}
	return false
}

// Recording is what [Client.Create] posts. Empty fields other than Audio and TargetText are left out.
type Recording struct {
	Audio            []byte
	FileName         string // for the form; the server looks at the content only
	TargetText       string
	Language         string
	Category         string
	FeedbackLanguage string
	NativeLanguage   string // of the learner, a BCP 47 tag
	Demo             string
	IdempotencyKey   string
}

// Create posts a recording and returns its evaluation, scored, with a ticket.
func (c *Client) Create(ctx context.Context, rec Recording) (evaluation.View, error) {
	contentType, body, err := rec.form()
	if err != nil {
		return evaluation.View{}, err
	}
	headers := map[string]string{"Content-Type": contentType}
	if rec.IdempotencyKey != "" {
		headers["Idempotency-Key"] = rec.IdempotencyKey
	}
	var v evaluation.View
	return v, c.call(ctx, http.MethodPost, "/v1/evaluations", headers, body, &v)
}

func (rec Recording) form() (contentType string, body *bytes.Buffer, err error) {
	body = &bytes.Buffer{}
	m := multipart.NewWriter(body)
	if rec.FileName == "" {
		rec.FileName = "recording"
	}
	w, err := m.CreateFormFile("audio", rec.FileName)
	if err == nil {
		_, err = w.Write(rec.Audio)
	}
	fields := [][2]string{
		{"target_text", rec.TargetText},
		{"language", rec.Language},
		{"category", rec.Category},
		{"feedback_language", rec.FeedbackLanguage},
		{"native_language", rec.NativeLanguage},
		{"demo", rec.Demo},
	}
	for _, f := range fields {
		if err == nil && (f[1] != "" || f[0] == "target_text") {
			err = m.WriteField(f[0], f[1])
		}
	}
	if err = errors.Join(err, m.Close()); err != nil {
		return "", nil, fmt.Errorf("write the form: %w", err)
	}
	return m.FormDataContentType(), body, nil
}

// Get reads an evaluation.
func (c *Client) Get(ctx context.Context, id string) (evaluation.View, error) {
	var v evaluation.View
	return v, c.call(ctx, http.MethodGet, path(id, ""), nil, nil, &v)
}

// Page is a page of evaluations, newest first.
type Page struct {
	Items      []evaluation.View `json:"items"`
	NextCursor *string           `json:"next_cursor"` // nil: the last page
}

// List reads a page of the caller's evaluations. A limit of 0 is the server's default, an empty cursor the first page.
func (c *Client) List(ctx context.Context, limit int, cursor string) (Page, error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var p Page
	return p, c.call(ctx, http.MethodGet, "/v1/evaluations?"+q.Encode(), nil, nil, &p)
}

// Delete deletes an evaluation.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, path(id, ""), nil, nil, nil)
}

// Ticket is what opens one progress connection.
type Ticket struct {
	Ticket      string `json:"ticket"`
	ProgressURL string `json:"progress_url"` // path, with the ticket
	ExpiresIn   int    `json:"expires_in"`   // seconds
}

// Ticket makes a ticket for the progress of an evaluation.
func (c *Client) Ticket(ctx context.Context, id string) (Ticket, error) {
	var t Ticket
	return t, c.call(ctx, http.MethodPost, path(id, "/tickets"), nil, nil, &t)
}

// Me is who the key belongs to.
type Me struct {
	UserID string `json:"user_id"`
	Name   string `json:"name"`
	KeyID  string `json:"key_id"`
}

// Me asks the server who the key belongs to.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var m Me
	return m, c.call(ctx, http.MethodGet, "/v1/me", nil, nil, &m)
}

// Audio is one of the recordings of an evaluation.
type Audio string

// What can be fetched.
const (
	RecordingAudio Audio = "recording"
	FeedbackAudio  Audio = "feedback-audio"
	DemoAudio      Audio = "demo-audio"
	ContrastAudio  Audio = "demo-audio?track=contrast"
)

// AudioURL asks where audio can be fetched without a key: a signed address, or a data URL while the object store has not taken it.
func (c *Client) AudioURL(ctx context.Context, id string, a Audio) (address string, expiresAt time.Time, err error) {
	var body struct {
		URL       string    `json:"url"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	err = c.call(ctx, http.MethodGet, path(id, "/"+string(a)), nil, nil, &body)
	return body.URL, body.ExpiresAt, err
}

// Fetch reads audio.
func (c *Client) Fetch(ctx context.Context, id string, a Audio) (contentType string, body []byte, err error) {
	address, _, err := c.AudioURL(ctx, id, a)
	if err != nil {
		return "", nil, err
	}
	if data, ok := strings.CutPrefix(address, "data:"); ok {
		return decodeDataURL(data)
	}
	// Without the key: the object store takes either a signed address or an Authorization header, not both.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", nil, fmt.Errorf("fetch %s of %s: %w", a, id, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", nil, fmt.Errorf("fetch %s of %s: %w", a, id, withoutQuery(err))
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody)); err != nil {
		return "", nil, fmt.Errorf("fetch %s of %s: %w", a, id, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("fetch %s of %s: the object store answers %s", a, id, resp.Status)
	}
	return resp.Header.Get("Content-Type"), body, nil
}

func decodeDataURL(data string) (contentType string, body []byte, err error) {
	contentType, encoded, ok := strings.Cut(data, ";base64,")
	if !ok {
		return "", nil, errors.New("fetch audio: a data URL without base64")
	}
	body, err = base64.StdEncoding.DecodeString(encoded)
	return contentType, body, err
}

// withoutQuery takes the address, which holds a signature, out of an error.
func withoutQuery(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// path is the path of something of an evaluation.
func path(id, rest string) string { return "/v1/evaluations/" + url.PathEscape(id) + rest }

// call makes a request and decodes the answer into out, if there is one. Errors are [*Problem] if the server answered with one.
func (c *Client) call(ctx context.Context, method, path string, headers map[string]string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Accept", "application/json")
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err // names method and address
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return problemOf(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

// problemOf reads the problem of an answer; one is made up if something other than the server answered, such as a proxy.
func problemOf(resp *http.Response) error {
	p := &Problem{}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what cannot be read is no problem document
	if json.Unmarshal(b, p) != nil || p.Type == "" {
		p = &Problem{Type: "/problems/unknown", Title: resp.Status, Detail: "the answer is not from an OKTalk server"}
	}
	p.Status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	return p
}
