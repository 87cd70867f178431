package feedback_test

import (
	"context"
	"fmt"

	"oktalk/internal/evaluation"
	"oktalk/internal/feedback"
	"oktalk/internal/feedback/coach"
)

func Example() {
	e := &evaluation.Evaluation{
		ID: "eval_01jd", TargetText: "I like apples", Category: evaluation.CategorySentence, FeedbackLanguage: feedback.English,
		Assessment: &evaluation.Assessment{
			Scores: evaluation.Scores{Overall: 77, Accuracy: 75, Fluency: 82, Integrity: 100}, Level: evaluation.LevelB,
			Words: []evaluation.Word{
				{Text: "I", Score: 84, Error: evaluation.WordCorrect, Phonemes: []evaluation.Phoneme{{ARPAbet: "AY", Score: 84}}},
				{Text: "like", Score: 91, Error: evaluation.WordCorrect, Phonemes: []evaluation.Phoneme{{ARPAbet: "L", Score: 91}, {ARPAbet: "AY", Score: 90}, {ARPAbet: "K", Score: 92}}},
				{Text: "apples", Score: 58, Error: evaluation.WordMispronunciation, Phonemes: []evaluation.Phoneme{
					{ARPAbet: "AE", Score: 41, Heard: "EH"}, {ARPAbet: "P", Score: 90}, {ARPAbet: "AH", Score: 88}, {ARPAbet: "L", Score: 86}, {ARPAbet: "Z", Score: 70},
				}},
			},
		},
	}
	plan, err := feedback.NewPlan(e)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := coach.New().Write(context.Background(), feedback.Request{Seed: e.ID, Plan: plan})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Issues[0].Phone, "sounded like", plan.Issues[0].Heard, "in", plan.Issues[0].Word.Text)
	fmt.Println(text.Body)
	// Output:
	// AE sounded like EH in apples
	// Well done: "like" was very clear. Notice the first vowel in "apples": I heard the vowel in "bed". Open your mouth wider and let your jaw drop more. Say "sad", then "said": hear the difference? Now try "apples".
}
