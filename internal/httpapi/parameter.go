package httpapi

import (
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// rule says in a sentence what a parameter may be, as "limit must be a whole number from 1 to 100.". location is where the framework found
// it wrong, as "query.limit". It reports false for what is no parameter of the operation.
func rule(op *huma.Operation, location string) (string, bool) {
	if op == nil {
		return "", false
	}
	in, name, _ := strings.Cut(location, ".")
	for _, p := range op.Parameters {
		if p.In == in && p.Name == name && p.Schema != nil {
			return name + " must be " + allowed(p.Schema) + ".", true
		}
	}
	return "", false
}

// allowed says what values a schema allows.
func allowed(s *huma.Schema) string {
	switch {
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(v)
		}
		last := len(values) - 1
		if last == 0 {
			return values[0]
		}
		return strings.Join(values[:last], ", ") + " or " + values[last]
	case s.Type == huma.TypeInteger:
		return "a whole number" + span(s)
	case s.Type == huma.TypeNumber:
		return "a number" + span(s)
	case s.Type == huma.TypeBoolean:
		return "true or false"
	case s.Type == huma.TypeString && s.MaxLength != nil:
		return fmt.Sprintf("a text of at most %d characters", *s.MaxLength)
	default:
		return "given once, as the description of the API has it"
	}
}

// span says between which bounds a number may be.
func span(s *huma.Schema) string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf(" from %.0f to %.0f", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		return fmt.Sprintf(", at least %.0f", *s.Minimum)
	case s.Maximum != nil:
		return fmt.Sprintf(", at most %.0f", *s.Maximum)
	default:
		return ""
	}
}
