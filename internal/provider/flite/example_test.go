package flite_test

import (
	"context"
	"fmt"

	"oktalk/internal/provider/flite"
	"oktalk/internal/tts"
)

func ExampleVoice_Speak() {
	v, err := flite.New(flite.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := v.Speak(context.Background(), tts.Request{Text: "hello", Language: "en-US", Voice: "slt", Speed: 0.85})
	fmt.Println(c.Rate, c.Duration() > 0, err)
	_, err = v.Voice("zh-CN")
	fmt.Println(err)
	// Output:
	// 16000 true <nil>
	// no voice for this language: flite speaks English, not zh-CN
}
