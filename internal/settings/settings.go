// Package settings reads a process's settings from environment variables.
//
// Each component declares a Config struct beside its code, with the variable's name, its default and what zero means; a process
// nests those of its components ([API], [WorkerFeedback], [WorkerTTS], [Tool]). All problems are reported together.
package settings

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Load parses and validates the settings of one process. environ has the form of os.Environ. An empty value counts as
// unset, except for a list, where it is the empty list. The error has a line for each problem.
func Load[T any](environ []string) (T, error) {
	vars := env.ToMap(environ)
	for k, v := range vars {
		if v == "" {
			delete(vars, k)
		}
	}
	cfg, err := env.ParseAsWithOptions[T](env.Options{Environment: vars})
	emptyLists(reflect.ValueOf(&cfg).Elem(), env.ToMap(environ))
	problems := parseProblems(err)
	if err == nil {
		problems = validate(reflect.ValueOf(cfg))
	}
	if len(problems) == 0 {
		return cfg, nil
	}
	return cfg, fmt.Errorf("settings:\n  - %s", strings.Join(problems, "\n  - "))
}

// emptyLists empties the lists whose variables are set and empty.
func emptyLists(v reflect.Value, vars map[string]string) {
	for field, f := range v.Fields() {
		switch f.Kind() {
		case reflect.Struct:
			emptyLists(f, vars)
		case reflect.Slice:
			if value, ok := vars[field.Tag.Get("env")]; ok && value == "" {
				f.SetZero()
			}
		default:
		}
	}
}

func parseProblems(err error) []string {
	if err == nil {
		return nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	var problems []string
	for _, e := range all.Errors {
		problems = append(problems, e.Error())
	}
	return problems
}

// validate calls Validate of every nested component that has it.
func validate(v reflect.Value) []string {
	var problems []string
	for _, f := range v.Fields() {
		if f.Kind() != reflect.Struct {
			continue
		}
		if c, ok := reflect.TypeAssert[interface{ Validate() error }](f); ok {
			if err := c.Validate(); err != nil {
				problems = append(problems, strings.Split(err.Error(), "\n")...)
			}
			continue
		}
		problems = append(problems, validate(f)...)
	}
	return problems
}

// Setting is one environment variable that a process reads.
type Setting struct {
	Name    string
	Default string
	Value   string // as given or the default; secrets are masked
}

// Describe lists the settings of a process with their present values, sorted by name and without repeats.
func Describe[T any](environ []string) ([]Setting, error) {
	var cfg T
	fields, err := env.GetFieldParams(&cfg)
	if err != nil {
		return nil, fmt.Errorf("describe settings: %w", err)
	}
	vars := env.ToMap(environ)
	var list []Setting
	for _, f := range fields {
		s := Setting{Name: f.Key, Default: f.DefaultValue, Value: f.DefaultValue}
		if v := vars[f.Key]; v != "" {
			s.Value = v
		}
		s.Value = mask(s.Name, s.Value)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Setting) bool { return a.Name == b.Name }), nil
}

// keywordPassword is the password in a connection string of the form key=value.
var keywordPassword = regexp.MustCompile(`password=('[^']*'|\S+)`)

// mask hides secrets: whole values by the variable's name, passwords inside URLs.
func mask(name, value string) string {
	if value == "" {
		return ""
	}
	for _, word := range []string{"SECRET", "PASSWORD", "TOKEN", "API_KEY"} {
		if strings.Contains(name, word) {
			return "****"
		}
	}
	if u, err := url.Parse(value); err == nil && u.User != nil {
		return u.Redacted()
	}
	return keywordPassword.ReplaceAllString(value, "password=****")
}
