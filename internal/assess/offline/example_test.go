package offline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"oktalk/internal/assess/offline"
	"oktalk/internal/evaluation"
)

func ExampleAssessor_Assess() {
	assessor, err := offline.New(offline.Config{ModelDir: "/usr/share/pocketsphinx/model/en-us", Queue: 32}, nil, slog.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	silence := make([]int16, 16000) // a second at 16 kHz
	_, err = assessor.Assess(context.Background(), silence, "I like apples.", "en-US")
	if refusal, ok := errors.AsType[*evaluation.Refusal](err); ok {
		fmt.Println(refusal.Problem)
	}
	// Output: no-speech
}
