package espeak_test

import (
	"context"
	"fmt"

	"oktalk/internal/provider/espeak"
	"oktalk/internal/tts"
)

func ExampleVoice_Speak() {
	ctx := context.Background()
	v, err := espeak.New(ctx, espeak.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	name, _ := v.Voice("zh-CN")
	c, err := v.Speak(ctx, tts.Request{Text: "读得很清楚。", Language: "zh-CN", Voice: name, Speed: 1})
	fmt.Println(c.Duration() > 0, err)
	// Output: true <nil>
}
