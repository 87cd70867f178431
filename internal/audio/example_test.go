package audio_test

import (
	"context"
	"fmt"
	"log/slog"

	"oktalk/internal/audio"
)

// A recording is sniffed and decoded, then checked.
func ExampleDecoder_Decode() {
	d, err := audio.NewDecoder(audio.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, info, err := d.Decode(context.Background(), wav(audio.Silence(44100, 1e9)))
	fmt.Println(info.Format, info.Duration, c.Rate, err)
	fmt.Println(audio.Check(c))
	// Output:
	// wav 1s 16000 <nil>
	// no-speech: The recording is silent. Check that the right microphone is chosen and not muted, and record again.
}
