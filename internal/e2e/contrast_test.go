package e2e_test

import (
	"testing"

	"oktalk/internal/client"
	"oktalk/internal/evaluation"
)

// TestContrastInChinese says "led" for "red": the learner reads and hears of it in Chinese, and hears both words in English.
func TestContrastInChinese(t *testing.T) {
	t.Parallel()
	s := start(t, false)
	ann := s.user(t, "ann", 0)
	audio := say(t, "slt", "She has a led car")
	v, err := ann.Create(t.Context(), client.Recording{Audio: audio, TargetText: "She has a red car", FeedbackLanguage: "zh-CN", Demo: "always"})
	if err != nil {
		t.Fatal(err)
	}
	messages := follow(t, ann, v.ID)
	checkMessages(t, "She has a red car", messages)
	done := messages[len(messages)-1].Evaluation
	if done.Feedback.AudioState != evaluation.StateReady || done.Demo.State != evaluation.StateReady || done.Demo.ContrastAudioURL == nil {
		t.Fatalf("%s feedback %s, demo %s, degraded %+v of %+v: want all of it spoken", *done.Feedback.Text, done.Feedback.AudioState, done.Demo.State, done.Degraded, *v.Words)
	}
	for _, a := range []client.Audio{client.FeedbackAudio, client.DemoAudio, client.ContrastAudio} {
		contentType, mp3, err := ann.Fetch(t.Context(), v.ID, a)
		if err != nil || contentType != "audio/mpeg" || len(mp3) < 5000 {
			t.Errorf("%s: %d bytes of %s, %v", a, len(mp3), contentType, err)
		}
	}
}
