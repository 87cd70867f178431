package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"oktalk/internal/evaluation"
)

type audioInput struct {
	ID     string `path:"id" doc:"Identifier of the evaluation" example:"eval_01jd3k8v5n9q2w7x4y6z0a1b2c"`
	Accept string `header:"Accept" doc:"application/json gives the URL in a body instead of a redirect"`
}

// demoAudioInput also says which of the tracks.
type demoAudioInput struct {
	ID     string `path:"id" doc:"Identifier of the evaluation" example:"eval_01jd3k8v5n9q2w7x4y6z0a1b2c"`
	Accept string `header:"Accept" doc:"application/json gives the URL in a body instead of a redirect"`
	Track  string `query:"track" enum:"reading,contrast" default:"reading" doc:"reading is the model reading; contrast is a word as it was heard and then as it is meant, when another sound was heard"`
}

// audioBody is where audio can be fetched, for pages, whose media elements cannot send an Authorization header.
type audioBody struct {
	URL       string    `json:"url" doc:"Address of the audio; needs no key"`
	ExpiresAt time.Time `json:"expires_at" doc:"Until when the address works (UTC)"`
}

// audioObject is an object to send: its key and what to call the file.
type audioObject struct{ key, name string }

// recording finds the recording of an evaluation, which is always there.
func recording(e *evaluation.Evaluation) (audioObject, error) {
	return audioObject{e.Recording.ObjectKey, e.ID + "-recording." + e.Recording.Format}, nil
}

// artifactAudio finds the audio of an artifact, or says that it is not ready.
func artifactAudio(kind evaluation.ArtifactKind, name string) func(*evaluation.Evaluation) (audioObject, error) {
	return func(e *evaluation.Evaluation) (audioObject, error) {
		a := e.Artifacts.Get(kind)
		if a.State.Available() {
			return audioObject{a.ObjectKey, e.ID + "-" + name + ".mp3"}, nil
		}
		return audioObject{}, notReady(kind, a)
	}
}

// contrastAudio finds the second track of the model reading.
func contrastAudio(e *evaluation.Evaluation) (audioObject, error) {
	a := e.Artifacts.Get(evaluation.DemoAudio)
	switch {
	case a.State.Available() && a.ContrastKey != "":
		return audioObject{a.ContrastKey, e.ID + "-contrast.mp3"}, nil
	case a.State.Available():
		a.State = evaluation.StateSkipped
	}
	return audioObject{}, notReady(evaluation.DemoAudio, a)
}

// getDemoAudio answers with the track that is asked for.
func getDemoAudio(d Deps) func(context.Context, *demoAudioInput) (*huma.StreamResponse, error) {
	reading, contrast := getAudio(d, artifactAudio(evaluation.DemoAudio, "demo")), getAudio(d, contrastAudio)
	return func(ctx context.Context, in *demoAudioInput) (*huma.StreamResponse, error) {
		track := reading
		if in.Track == "contrast" {
			track = contrast
		}
		return track(ctx, &audioInput{in.ID, in.Accept})
	}
}

func notReady(kind evaluation.ArtifactKind, a evaluation.Artifact) *Problem {
	detail := "This audio is not made yet. Follow the evaluation's progress."
	switch a.State {
	case evaluation.StateFailed:
		detail = strings.TrimSpace("This audio could not be made. " + a.Message)
	case evaluation.StateSkipped, "":
		a.State, detail = evaluation.StateSkipped, "This audio is not needed for this evaluation."
	}
	p := problem("not-ready", detail)
	p.Artifact, p.State = string(kind), string(a.State)
	return p
}

func getAudio(d Deps, choose func(*evaluation.Evaluation) (audioObject, error)) func(context.Context, *audioInput) (*huma.StreamResponse, error) {
	return func(ctx context.Context, in *audioInput) (*huma.StreamResponse, error) {
		e, err := find(ctx, d.Evaluations, in.ID)
		if err != nil {
			return nil, err
		}
		object, err := choose(e)
		if err != nil {
			return nil, err
		}
		asJSON := acceptsJSON(in.Accept)
		contentType, spooled, err := d.Spool.Get(ctx, object.key)
		switch {
		case err == nil && asJSON:
			return sendURL(dataURL(contentType, spooled)), nil
		case err == nil:
			return sendSpooled(object, contentType, spooled), nil
		case !errors.Is(err, evaluation.ErrNotFound):
			return nil, err
		}
		address, expiresAt, err := d.Objects.Presign(ctx, object.key, object.name)
		switch {
		case err != nil:
			return nil, err
		case asJSON:
			return sendURL(audioBody{address, expiresAt.UTC().Truncate(time.Second)}), nil
		}
		return redirect(address), nil
	}
}

// acceptsJSON reports whether the client asks for JSON by name; "*/*" asks for the audio.
func acceptsJSON(accept string) bool {
	for item := range strings.SplitSeq(accept, ",") {
		mediaType, _, _ := strings.Cut(item, ";")
		if strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
			return true
		}
	}
	return false
}

// dataURL holds audio that is not in the object store yet: it works wherever the signed address would.
func dataURL(contentType string, b []byte) audioBody {
	return audioBody{"data:" + contentType + ";base64," + base64.StdEncoding.EncodeToString(b), time.Now().UTC().Truncate(time.Second).Add(time.Hour)}
}

func sendURL(body audioBody) *huma.StreamResponse {
	return noStore(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body) // the client may be gone
	})
}

func sendSpooled(o audioObject, contentType string, b []byte) *huma.StreamResponse {
	return noStore(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Disposition", `inline; filename="`+o.name+`"`)
		http.ServeContent(w, r, o.name, time.Time{}, bytes.NewReader(b))
	})
}

func redirect(address string) *huma.StreamResponse {
	return noStore(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", address)
		w.WriteHeader(http.StatusFound)
	})
}

// noStore answers with a function of net/http; signed addresses and recordings stay out of caches.
func noStore(write http.HandlerFunc) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humachi.Unwrap(ctx)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Accept")
		write(w, r)
	}}
}
