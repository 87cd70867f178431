package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"oktalk/internal/evaluation"
)

const (
	maxAudioBytes = 10 << 20
	maxOtherBytes = 256 << 10 // the other fields, unknown ones too, and what separates them
	maxFormBytes  = maxAudioBytes + maxOtherBytes
	maxExpected   = 512 << 10 // of what a header announces, room is made for so much at once: a recording that takes more is longer than most
	maxFieldBytes = 64 << 10  // a text that long is refused for its length, with a better message
)

// form is the content of POST /v1/evaluations as sent; absent fields have their defaults.
type form struct {
	audio    []byte
	fields   map[string]string
	expected int // bytes of the recording at most, as far as that is believed
}

// field is a text field of the form.
type field struct {
	name, fallback string
	allowed        []string // empty: anything
}

// formFields are the text fields next to audio. target_text is the only one that must be there.
var formFields = []field{
	{name: "target_text"},
	{name: "language", fallback: "en-US"},
	{name: "category", allowed: []string{"", "word", "sentence", "paragraph"}},
	{name: "feedback_language", fallback: "en", allowed: []string{"en", "zh-CN"}},
	{name: "demo", fallback: "auto", allowed: []string{"auto", "always", "never"}},
	{name: "native_language"},
}

// readRequest reads the form from a request. Errors are problems.
func readRequest(w http.ResponseWriter, r *http.Request) (form, error) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch encoding := r.Header.Get("Content-Encoding"); {
	case err != nil || mediaType != "multipart/form-data":
		return form{}, invalid("The body must be multipart/form-data. Example: %s", curlExample)
	case params["boundary"] == "":
		return form{}, invalid("The header Content-Type names no boundary. Let your HTTP library set that header: it knows the boundary.")
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return form{}, invalid("The body is encoded (Content-Encoding: %s). Send it as it is; to save bytes, send the recording as Opus or MP3.", short(encoding))
	case r.ContentLength > maxFormBytes:
		return form{}, problem("audio-too-large", fmt.Sprintf("The request has %d MB. A recording may have %d MB, and the other fields together %d KB.",
			(r.ContentLength+1<<20-1)>>20, maxAudioBytes>>20, maxOtherBytes>>10))
	}
	f := form{fields: map[string]string{}, expected: int(min(max(0, r.ContentLength), maxExpected))}
	f, err = f.read(multipart.NewReader(http.MaxBytesReader(w, r.Body, maxFormBytes), params["boundary"]))
	// What is left of the server's time for reading must not end the request while the recording is scored.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // not supported by test recorders, which have none
	return f, err
}

const curlExample = `curl -H "Authorization: Bearer $KEY" -F audio=@me.wav -F target_text="I like apples" $URL/v1/evaluations`

func (f form) read(parts *multipart.Reader) (form, error) {
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		switch {
		case err == io.EOF: // the closing boundary; wrapped, it is a body that ends before that
			return f.complete()
		case n == 0 && errors.Is(err, io.EOF):
			return form{}, invalid("The body holds no part of a form: it is empty, or the boundary in the header Content-Type is not the one in the body. Let your HTTP library set that header.")
		case err != nil:
			return form{}, formError(err)
		}
		if err := f.add(part); err != nil {
			return form{}, err
		}
	}
}

// add takes a part of the form; unknown ones are skipped.
func (f *form) add(part *multipart.Part) error {
	name := part.FormName()
	if name == "audio" {
		return f.addAudio(part)
	}
	if !slices.ContainsFunc(formFields, func(known field) bool { return known.name == name }) {
		return skip(part)
	}
	if _, again := f.fields[name]; again {
		return invalid("The field %q is there twice. Send it once.", name)
	}
	b, err := io.ReadAll(io.LimitReader(part, maxFieldBytes+1))
	if err != nil {
		return formError(err)
	}
	if len(b) > maxFieldBytes && name == "target_text" {
		return problem("invalid-text", fmt.Sprintf("The target text is longer than %d KB; at most %d characters are allowed. Split it into shorter texts.", maxFieldBytes>>10, evaluation.MaxTextCharacters))
	}
	if len(b) > maxFieldBytes {
		return invalid("The field %q is too long.", name)
	}
	f.fields[name] = string(b)
	return nil
}

// skip reads an unknown part to its end, so that what is wrong with it is not blamed on the next one.
func skip(part *multipart.Part) error {
	n, err := io.Copy(io.Discard, io.LimitReader(part, maxOtherBytes+1))
	switch {
	case err != nil:
		return formError(err)
	case n > maxOtherBytes:
		return invalid("The field %q is not known here and has more than %d KB. Leave it out; the recording's field is \"audio\".", short(part.FormName()), maxOtherBytes>>10)
	}
	return nil
}

// short cuts what a client sent to what can be shown in a sentence.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func (f *form) addAudio(part *multipart.Part) error {
	if f.audio != nil {
		return invalid(`The field "audio" is there twice. Send one recording.`)
	}
	b := bytes.NewBuffer(make([]byte, 0, f.expected+bytes.MinRead)) // a buffer grows when less than that is left
	if _, err := b.ReadFrom(io.LimitReader(part, maxAudioBytes+1)); err != nil {
		return formError(err)
	}
	if b.Len() > maxAudioBytes {
		return audioTooLarge()
	}
	f.audio = b.Bytes()
	return nil
}

// complete checks that everything needed is there and fills in defaults.
func (f form) complete() (form, error) {
	if f.audio == nil {
		return form{}, invalid(`The field "audio" is missing: the recording, as a file. Example: %s`, curlExample)
	}
	if _, ok := f.fields["target_text"]; !ok {
		return form{}, invalid(`The field "target_text" is missing: the text that the learner was asked to read. Example: %s`, curlExample)
	}
	for _, known := range formFields {
		if f.fields[known.name] == "" {
			f.fields[known.name] = known.fallback
		}
		if len(known.allowed) > 0 && !slices.Contains(known.allowed, f.fields[known.name]) {
			return form{}, invalid("The field %q must be one of %s. Example: -F %s=%s",
				known.name, strings.Join(slices.DeleteFunc(slices.Clone(known.allowed), func(s string) bool { return s == "" }), ", "),
				known.name, known.allowed[len(known.allowed)-1])
		}
	}
	native, err := languageTag(f.fields["native_language"])
	if err != nil {
		return form{}, invalid(`The field "native_language" must be a BCP 47 language tag, such as zh, yue or pt-BR; it is %q.`, short(f.fields["native_language"]))
	}
	f.fields["native_language"] = native
	return f, nil
}

// languageTag brings a BCP 47 tag into its usual form. One that is well-formed and unknown stays as it is.
func languageTag(tag string) (string, error) {
	if tag == "" {
		return "", nil
	}
	known, err := language.Parse(tag)
	if _, unknown := errors.AsType[language.ValueError](err); unknown && len(tag) <= maxLanguageTag {
		return tag, nil
	}
	if err != nil || len(tag) > maxLanguageTag {
		return "", errors.New("malformed language tag")
	}
	return known.String(), nil
}

// maxLanguageTag is the room that RFC 5646, section 4.4.1, recommends for a tag.
const maxLanguageTag = 35

func audioTooLarge() *Problem {
	return problem("audio-too-large", fmt.Sprintf("The recording is larger than %d MB. Send it compressed, for example as Opus, or shorter.", maxAudioBytes>>20))
}

// formError says what is wrong with a form that cannot be read to its end.
func formError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return problem("audio-too-large", fmt.Sprintf("The request is larger than a recording of %d MB with its fields. Send the recording compressed, for example as Opus, or shorter.", maxAudioBytes>>20))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return invalid("The request did not arrive within %v. Send a smaller recording or use a faster connection.", readTimeout)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return invalid("The multipart body ends before its closing boundary.")
	default:
		return invalid("The multipart body is malformed. Example: %s", curlExample)
	}
}
